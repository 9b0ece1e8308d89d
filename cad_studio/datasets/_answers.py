"""What people answered about images, as annotation tools export it, and the dataset it makes.

Each reader of such a tool fills `Item`s; `build_answered` makes of them what a table of votes
gives: the set of an image is the union of all answers, and who said what is kept. An answer of
several classes is one vote that is shared among them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cad_studio.core.dataset import UNKNOWN, Images, Problem, SourceDataset, Votes
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.understanding import Understanding
from cad_studio.core.vote_sets import sets_of_votes
from cad_studio.datasets._base import ReadOptions
from cad_studio.datasets._classes import ClassTable, Label
from cad_studio.datasets._samples import Samples, build_dataset
from cad_studio.datasets._trees import Tree, open_tree
from cad_studio.datasets._written_images import (
    WrittenImages,
    WrittenNames,
    is_embedded,
    plain_path,
)
from cad_studio.datasets.picture_formats import is_picture_name

ITEM_BYTES = 2000
"""Roughly what an `Item` costs in Python objects, with the sample that is made of it."""

_MOST_SHOWN = 80


@dataclass(frozen=True)
class Answer:
    """One annotator's answer about one image.

    Attributes:
        who: Name of the annotator; empty where the tool does not say.
        labels: The classes chosen, at least one.
        at: When it was given, as text that sorts by time; empty where not known.
        weight: How many votes it stands for; None where it is one, shared among its classes.
    """

    who: str
    labels: tuple[Label, ...]
    at: str = ""
    weight: float | None = None


@dataclass
class Item:
    """One image of an export.

    Attributes:
        image: Its address as written.
        where: Where it is written, for messages.
        answers: What annotators said, in the order of the export.
        proposed: Its candidates, where they are written down and do not follow from the answers.
        truth: Its true label, where the tool knows one.
        id: Its id; empty takes the name of the file.
        split: Its split; empty takes that of the options.
        fields: Further values by name.
    """

    image: str
    where: str
    answers: list[Answer] = field(default_factory=list)
    proposed: tuple[Label, ...] = ()
    truth: Label | None = None
    id: str = ""
    split: str = ""
    fields: dict[str, object] = field(default_factory=dict)


def build_answered(
    source: str,
    items: Sequence[Item],
    tree: Tree,
    class_names: Sequence[str] | None,
    options: ReadOptions,
    told: Understanding,
    descriptions: dict[str, str] | None = None,
    images: Images | None = None,
    is_whole: bool = False,
) -> SourceDataset:
    """The dataset of some items.

    Args:
        source: What to call the whole in messages.
        items: N images.
        tree: Where the images are looked for.
        class_names: C names where the export gives them; else those of `options`, or those that
            are found in the answers.
        options: What the user said: class names, the split of items without one, and the share of
            votes that makes a candidate.
        told: Filled by the reader, and further here.
        descriptions: Free text by class name.
        images: The images of the items, where they lie elsewhere than in files of the tree.
        is_whole: Whether the tree is the export itself, so that what it has besides is told.

    Raises:
        DatasetFormatError: No items, no answers at all, or impossible class names.
    """
    if not items:
        raise DatasetFormatError(f"{source} holds no images with answers.")
    if is_whole:
        tree.tell(told)
    listed = [item.image for item in items]
    items = _answered([last_answers(item, told) for item in items], source, options, told)
    problems: list[Problem] = []
    files = [item.image for item in items]
    if images is None:
        files = _files(items, tree, problems, told)
        if is_whole:
            _tell_unlisted(tree, {*files, *listed}, told)
        images = WrittenImages(tree, files)
    has_sets = any(item.answers or item.proposed for item in items)
    has_truth = any(item.truth is not None for item in items)
    samples = Samples(
        source=source,
        ids=[item.id or _id_of(files[row], row) for row, item in enumerate(items)],
        splits=[item.split or options.only_split() for item in items],
        sets=[_set_of(item) for item in items] if has_sets else None,
        labels=[item.truth for item in items] if has_truth else None,
        where=lambda row: items[row].where,
        problems=problems,
        understanding=told,
    )
    _keep_fields(samples, items)
    names_of_classes = options.class_names or class_names
    dataset = build_dataset(samples, names_of_classes, descriptions or {}, images)
    dataset.votes = _votes(items, ClassTable(dataset.class_names, source))
    if dataset.votes is not None and dataset.candidates is not None and options.threshold:
        _apply_threshold(dataset, dataset.votes, options.threshold)
    return dataset


def image_tree(beside: Path, options: ReadOptions) -> Tree:
    """Where the images of an export are looked for: the folder given, or that of the export."""
    folder = Path(options.images_dir).expanduser() if options.images_dir else beside
    return open_tree(folder, options.follow_links)


def as_labels(items: Sequence[Item], told: Understanding) -> None:
    """Take classes for true labels where no image has several; else they stay candidates."""
    if any(len(item.proposed) > 1 or item.answers for item in items):
        told.take("sets", "all classes of an image are its candidates")
        return
    for item in items:
        if item.proposed:
            item.truth, item.proposed = item.proposed[0], ()


def chosen_key(
    keys: Iterable[str], given: Sequence[str], known: Sequence[str], what: str, where: str
) -> str | None:
    """The key that has a role: the one the user names, else a usual one, else the only one.

    Args:
        keys: Those that could have the role.
        given: What the user says.
        known: Usual names, the likeliest first.
        what: The role as `--columns` calls it.
        where: Subject of the message.

    Returns:
        None where there is no key at all, or several and none of a usual name.

    Raises:
        DatasetFormatError: The user names one that is not there.
    """
    there = list(dict.fromkeys(keys))
    for name in given:
        if name not in there:
            raise DatasetFormatError(
                f"{where} has no {what} {name!r}. It has: {', '.join(there[:12]) or 'none'}."
            )
        return name
    usual = next((name for name in known if name in there), None)
    return usual or (there[0] if len(there) == 1 else None)


def person(value: object) -> str:
    """The name of an annotator in a tool's export: an e-mail, a user name, or a number."""
    if isinstance(value, dict):
        keys = ("email", "username", "name", "id")
        value = next((value[key] for key in keys if value.get(key)), "")
    return "" if value is None else str(value).strip()


def _tell_unlisted(tree: Tree, listed: set[str], told: Understanding) -> None:
    names = (name for name in tree.names() if is_picture_name(name))
    ends = {plain_path(name).rpartition("/")[2] for name in listed}
    told.leave_out(
        "images that the export does not list",
        [name for name in names if name not in listed and name.rpartition("/")[2] not in ends],
    )


def _answered(
    items: list[Item], source: str, options: ReadOptions, told: Understanding
) -> list[Item]:
    """Items less those nobody has said anything of, unless the user keeps such."""
    if options.unlabelled == "keep" or options.candidates is not None:
        return items
    open_ones = [i.where for i in items if not i.answers and not i.proposed and i.truth is None]
    how = "Give --unlabelled keep to take them with every class as a candidate."
    if len(open_ones) == len(items):
        raise DatasetFormatError(f"{source}: none of its {len(items):,} images has a class. {how}")
    told.leave_out("images without a class", open_ones, how)
    return [i for i in items if i.answers or i.proposed or i.truth is not None]


def _files(
    items: Sequence[Item], tree: Tree, problems: list[Problem], told: Understanding
) -> list[str]:
    """The files of the images in the tree, or the addresses that hold images themselves."""
    names, files = WrittenNames(tree), []
    for row, item in enumerate(items):
        found = item.image if is_embedded(item.image) else names.find(item.image)
        if found is None:
            message = f"{item.where}: {_shortened(item.image)} {names.trouble(item.image)}."
            problems.append(Problem("unreadable-image", row, message))
        files.append(found or item.image)
    if names.shortened:
        example = _shortened(names.shortened[0])
        told.take("images", f"found by file name, as for {example}", "--images")
    return files


def last_answers(item: Item, told: Understanding) -> Item:
    """An item with the last answer of each annotator; answers of nobody in particular all stay."""
    last: dict[str, Answer] = {}
    for answer in item.answers:
        before = last.get(answer.who)
        if answer.who and (before is None or answer.at >= before.at):
            last[answer.who] = answer
    kept = [
        each
        for each in item.answers
        if not each.who or each.weight is not None or last[each.who] is each
    ]
    dropped = len(item.answers) - len(kept)
    if dropped:
        told.leave_out("earlier answers of an annotator who answered again", [item.where] * dropped)
        item.answers = kept
    return item


def _set_of(item: Item) -> list[Label] | None:
    members = item.proposed or [label for answer in item.answers for label in answer.labels]
    return list(dict.fromkeys(members)) or None


def _votes(items: Sequence[Item], table: ClassTable) -> Votes | None:
    names: dict[str, int] = {}
    found: list[tuple[int, int, int, float]] = []
    for row, item in enumerate(items):
        for answer in item.answers:
            voter = names.setdefault(answer.who, len(names)) if answer.who else UNKNOWN
            known = [index for index in map(table.find, answer.labels) if index != UNKNOWN]
            found += [
                (row, voter, index, answer.weight or 1 / len(known))
                for index in dict.fromkeys(known)
            ]
    if not found:
        return None
    return Votes.of_rows(found, list(names))


def _apply_threshold(dataset: SourceDataset, votes: Votes, share: float) -> None:
    """Keep the classes that enough votes are for, in the sets of images with votes."""
    assert dataset.candidates is not None
    n_classes = dataset.candidates.n_classes
    sets, scattered = sets_of_votes(votes, len(dataset.ids), n_classes, share)
    packed = np.where((sets.sizes() > 0)[:, None], sets.packed, dataset.candidates.packed)
    dataset.candidates = PartialLabels(packed, n_classes)
    told = dataset.understanding
    told.take("share", f"classes with {share:g} of an image's votes or more", "--threshold")
    if len(scattered):
        reached = f"{len(scattered):,} images no class reaches it, so those with most votes stay"
        told.take("scattered votes", f"on {reached}", "--threshold")


def _keep_fields(samples: Samples, items: Sequence[Item]) -> None:
    """Hand further values on as columns; what is no single value is left out with a word."""
    told = samples.understanding
    for name in dict.fromkeys(name for item in items for name in item.fields):
        values = [item.fields.get(name) for item in items]
        if any(isinstance(value, list | dict) for value in values):
            told.leave_out("further values that are lists", [name])
        elif any(value is not None and value != "" for value in values):
            told.use_column("field", name)
            samples.fields[name] = values


def _id_of(image: str, row: int) -> str:
    return f"image {row}" if is_embedded(image) else image


def _shortened(written: str) -> str:
    return repr(written if len(written) <= _MOST_SHOWN else f"{written[: _MOST_SHOWN - 3]}...")
