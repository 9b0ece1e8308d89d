"""FiftyOne dataset folders: `metadata.json`, `samples.json` and `data/`.

A field of `Classifications` is a candidate set, one of a `Classification` a true label, and further
fields of single values are kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._answers import (
    ITEM_BYTES,
    Answer,
    Item,
    build_answered,
    chosen_key,
    image_tree,
)
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._json_files import Json, parse_json
from cad_studio.datasets._markers import marker_files
from cad_studio.datasets._memory import require_memory
from cad_studio.datasets._trees import SPLIT_WORDS, open_tree, read_table, without_top

_SAMPLES, _METADATA = "samples.json", "metadata.json"
_ONE, _SEVERAL = "Classification", "Classifications"
_VOTES, _ID, _SPLIT = "votes", "sample_id", "split"
_TRUTHS = ("ground_truth", "label")


@READERS.register("fiftyone")
class FiftyOne(DatasetReader):
    """Classification labels of a FiftyOne dataset."""

    name = "fiftyone"
    wants = "a folder or zip that FiftyOne exported as FiftyOneDataset, with samples.json"

    def recognises(self, source: str) -> bool:
        """A folder or zip with the two documents."""
        found = marker_files(Path(source).expanduser(), lambda name: name in (_SAMPLES, _METADATA))
        return len(found) == 2

    def is_sure(self, source: str) -> bool:
        """No other format has both."""
        return True

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read the labels of all samples."""
        path = source_path(source)
        progress.report(0.0, f"Reading {path.name}")
        tree = without_top(open_tree(path, options.follow_links))
        samples = _objects(parse_json(read_table(tree, _SAMPLES), _SAMPLES), "samples", _SAMPLES)
        about = parse_json(read_table(tree, _METADATA), _METADATA)
        require_memory(ITEM_BYTES * len(samples), _SAMPLES)
        told = Understanding(layout="a FiftyOne dataset folder")
        names, descriptions = _classes(about if isinstance(about, dict) else {})
        items = _items(samples, options, told)
        tree = image_tree(path, options) if options.images_dir else tree
        return build_answered(
            path.name, items, tree, names, options, told, descriptions,
            is_whole=not options.images_dir,
        )  # fmt: skip


def _items(samples: Sequence[Json], options: ReadOptions, told: Understanding) -> list[Item]:
    sets = _fields_of(samples, _SEVERAL)
    ones = _fields_of(samples, _ONE)
    chosen = _chosen([name for name in sets if name != _VOTES], "candidates", ("candidates",),
                     options, told)  # fmt: skip
    truth = _chosen(ones, "label", _TRUTHS, options, told)
    others = [name for name in (*sets, *ones) if name not in (chosen, truth, _VOTES)]
    told.leave_out("further label fields", others, "Choose others with --columns label=NAME.")
    labels = {*sets, *ones}
    plain = dict.fromkeys(key for sample in samples for key in sample if _is_own(key, labels))
    items = []
    for at, sample in enumerate(samples, 1):
        where = f"{_SAMPLES}, sample {at}"
        item = Item(
            str(sample.get("filepath") or ""), where, proposed=_labels(sample.get(chosen or "")),
            truth=next(iter(_labels(sample.get(truth or ""))), None),
            id=str(sample.get(_ID) or ""), split=_split(sample),
            fields={key: sample.get(key) for key in plain},
        )  # fmt: skip
        for vote in _members(sample.get(_VOTES)):
            label, who = vote.get("label"), vote.get("annotator")
            if isinstance(label, str):
                weight = vote.get("weight")
                item.answers.append(
                    Answer(
                        str(who) if who is not None else "", (label,),
                        weight=float(weight) if isinstance(weight, int | float) else None,
                    )
                )  # fmt: skip
        items.append(item)
    return items


def _is_own(key: str, labels: set[str]) -> bool:
    known = {"filepath", "tags", "metadata", _ID, _SPLIT, _VOTES}
    return not key.startswith("_") and key not in known and key not in labels


def _chosen(
    names: Sequence[str],
    role: str,
    usual: Sequence[str],
    options: ReadOptions,
    told: Understanding,
) -> str | None:
    """The field with a role, if there is one.

    Raises:
        DoubtfulSourceError: There are several, and none is said to be it.
    """
    found = chosen_key(names, options.columns.get(role, []), usual, role, _SAMPLES)
    if found is None and names:
        raise DoubtfulSourceError(
            f"{_SAMPLES} has several fields that could be the {role}: {', '.join(names)}. Say "
            f"which: --columns {role}={names[0]}."
        )
    if found is not None:
        told.use_column(role, found)
    return found


def _fields_of(samples: Sequence[Json], kind: str) -> list[str]:
    return list(
        dict.fromkeys(
            key
            for sample in samples
            for key, value in sample.items()
            if isinstance(value, dict) and value.get("_cls") == kind
        )
    )


def _labels(value: Any) -> tuple[str, ...]:
    members = _members(value) if isinstance(value, dict) else []
    if isinstance(value, dict) and value.get("_cls") == _ONE:
        members = [value]
    labels = (member.get("label") for member in members)
    return tuple(dict.fromkeys(label for label in labels if isinstance(label, str)))


def _members(value: Any) -> list[Json]:
    members = value.get("classifications") if isinstance(value, dict) else None
    return [each for each in members or () if isinstance(each, dict)]


def _split(sample: Json) -> str:
    if isinstance(sample.get(_SPLIT), str):
        return sample[_SPLIT]
    tags = sample.get("tags")
    words = (tag for tag in tags or () if isinstance(tag, str) and tag.lower() in SPLIT_WORDS)
    return next(words, "")


def _classes(about: Json) -> tuple[list[str] | None, dict[str, str]]:
    info = about.get("info")
    own = info.get("cad_studio") if isinstance(info, dict) else None
    own = own if isinstance(own, dict) else {}
    names = own.get("class_names") or about.get("default_classes")
    told = own.get("class_descriptions")
    texts = told if isinstance(told, dict) else {}
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        names = None
    return names or None, {str(key): str(text) for key, text in texts.items()}


def _objects(value: Any, key: str, name: str) -> list[Json]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise DatasetFormatError(f"{name} must hold an object with a list {key!r}.")
    return found
