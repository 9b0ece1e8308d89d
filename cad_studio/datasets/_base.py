"""What a reader is, which there are, and how a source finds its reader."""

from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError, SettingError, closest
from cad_studio.core.progress import Part, Progress
from cad_studio.core.registry import Registry
from cad_studio.core.vote_sets import VOTES_AS
from cad_studio.datasets import candidate_file, selection
from cad_studio.datasets._addresses import fetch, is_address
from cad_studio.datasets._reader_process import read_in_process
from cad_studio.datasets._roles import ROLES, TableChoices
from cad_studio.datasets._tables import TextForm
from cad_studio.datasets._trees import hub_snapshot

DEFAULT_SPLIT = "train"


@dataclass(frozen=True)
class ReadOptions:
    """What a user may say about a source beside its place.

    Attributes:
        format: Name of the reader, or None to recognise it.
        candidates: File with the candidate sets of a labelled source.
        candidates_mode: `aggregate` (union) or `vaguest` (largest), for a file that holds several
            sets a sample.
        splits: The splits to import, all when empty. For a source without splits, one value names
            the split.
        images_dir: Folder or zip with the images of a votes table.
        class_names: C names in the order of the indices, when the source has none or lacks some.
        cache_dir: Where downloads are kept.
        columns: Column names of a table by role, where its names do not tell: `image`, `id`,
            `candidates`, `label`, `split`, `annotator`, `class` (one 0/1 column each), ...
        separator: What separates the columns of a text table, such as `;`, or None to find out.
        list_separator: What separates the candidates in one cell of a table; `none` where a cell
            is one class name; or None to find out.
        encoding: Encoding of text tables, or None to find out.
        split_from: `folders` where the top folders are the splits, `none` where there are no
            splits in the source, or None to find out.
        unlabelled: `keep` takes samples without label and candidates with every class as a
            candidate, `leave-out` (also None) leaves them out.
        follow_links: Whether links that lead out of the source are followed.
        bit_depth: Bits that pixels of more than 8 bits use, or None to find out.
        votes_as: What a matrix of votes holds: `counts` or `shares` for each class, or the choice
            of `annotators`, a column each; None to find out.
        threshold: Share of a sample's votes that makes a class a candidate; 0 is any vote.
    """

    format: str | None = None
    candidates: str | None = None
    candidates_mode: str | None = field(
        default=None, metadata={"choices": candidate_file.MODES, "help": "How to merge sets."}
    )
    splits: tuple[str, ...] = ()
    images_dir: str | None = None
    class_names: tuple[str, ...] | None = None
    cache_dir: str | None = None
    columns: dict[str, list[str]] = field(default_factory=dict)
    separator: str | None = None
    list_separator: str | None = None
    encoding: str | None = None
    split_from: str | None = None
    unlabelled: str | None = None
    follow_links: bool = False
    bit_depth: int | None = None
    votes_as: str | None = field(
        default=None, metadata={"choices": VOTES_AS, "help": "What a matrix of votes holds."}
    )
    threshold: float = 0.0

    def tables(self) -> TableChoices:
        """What is said about tables."""
        form = TextForm(self.separator, self.encoding)
        return TableChoices(form, self.columns, self.list_separator)

    def only_split(self) -> str:
        """The split of a source that has none itself."""
        return self.splits[0] if len(self.splits) == 1 else DEFAULT_SPLIT


class DatasetReader(ABC):
    """Reads one format.

    Attributes:
        name: The registered name.
        wants: What the format looks like, for the message when nothing fits.
    """

    name: ClassVar[str]
    wants: ClassVar[str]

    @abstractmethod
    def recognises(self, source: str) -> bool:
        """Whether the source looks like this format; cheap, and never an error."""

    def is_fragile(self, source: str) -> bool:
        """Whether native code reads this source, which a damaged file can bring down.

        Such a source is recognised and read in a process of its own. As cheap as `recognises`.
        """
        return False

    def is_sure(self, source: str) -> bool:
        """Whether what marks a recognised source marks no other format.

        Looser formats that fit it as well then give way. As cheap as `recognises`.
        """
        return False

    @abstractmethod
    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """The whole source. Images stay unread.

        Raises:
            DatasetFormatError: The source as a whole cannot be read. One sample's trouble is put
                into `problems` instead.
        """


READERS: Registry[type[DatasetReader]] = Registry("cad_studio.datasets", "format")


def recognise(source: str) -> str:
    """The name of the format of a source.

    Raises:
        DatasetFormatError: It is not there, or looks like no format, or like several.
    """
    if not source.strip():
        raise DatasetFormatError("No source is given. Name a file, a folder or a dataset.")
    try:
        names = [name for name in READERS.names() if READERS.get(name)().recognises(source)]
    except OSError as error:
        raise DatasetFormatError(f"{source!r} cannot be read: {error.strerror}.") from error
    if len(names) > 1:
        names = [name for name in names if READERS.get(name)().is_sure(source)] or names
    if len(names) == 1:
        return names[0]
    if names:
        raise DatasetFormatError(
            f"{source!r} could be read as {' or '.join(names)}. Say which with --format."
        )
    if not Path(source).expanduser().exists():
        raise DatasetFormatError(
            f"{source!r} does not exist. Give a file or folder, hf:OWNER/NAME, torchvision:NAME, "
            "or an address that starts with https://, s3://, gs:// or hf://."
        )
    wanted = "\n".join(f"- {name}: {READERS.get(name).wants}" for name in READERS.names())
    raise DatasetFormatError(f"{_found(source)} Known formats:\n{wanted}")


def read_source(source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
    """Read a source with the reader that fits, its splits chosen and its candidates put in.

    Args:
        source: A path, an address, `hf:owner/name` or `torchvision:NAME`.
        options: What the user said about it.
        progress: Told how far the reading is.

    Raises:
        DatasetFormatError: The source or the candidate file cannot be read.
        SettingError: An unknown format or mode.
        ResourceError: A source on the network cannot be had.
        ReaderEndedError: A damaged or hostile file brought its reader down.
    """
    source, options, progress = _fetched(source, options, progress)
    with suppress(OSError, ValueError):  # no path at all; said where it is recognised
        if Path(source).expanduser().is_dir():
            source = str(hub_snapshot(Path(source).expanduser()))
    read = read_in_process if is_fragile(source, options) else read_here
    return read(source, options, progress)


def _fetched(
    source: str, options: ReadOptions, progress: Progress
) -> tuple[str, ReadOptions, Progress]:
    """A source and its files where they can be read, and the progress that is left for that."""
    places = {"candidates": options.candidates, "images_dir": options.images_dir}
    far = {name: place for name, place in places.items() if place and is_address(place)}
    if not far and not is_address(source):
        return source, options, progress
    cache = Path(options.cache_dir) / "downloads" if options.cache_dir else None
    way = Part(progress, 0.0, 0.8)
    if is_address(source):
        source = str(fetch(source, cache, way))
    local = {name: str(fetch(place, cache, way)) for name, place in far.items()}
    return source, replace(options, **local), Part(progress, 0.8, 1.0)


def is_fragile(source: str, options: ReadOptions) -> bool:
    """Whether a damaged source could bring down the process that reads it.

    Raises:
        DatasetFormatError: The system does not let it be looked at.
        SettingError: An unknown format.
    """
    names = [options.format] if options.format else READERS.names()
    try:
        return any(READERS.get(name)().is_fragile(source) for name in names)
    except OSError as error:
        raise DatasetFormatError(f"{source!r} cannot be read: {error.strerror}.") from error


def read_here(source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
    """What `read_source` does, in this process whatever the source is."""
    try:
        return _read(source, options, progress)
    except MemoryError as error:
        raise DatasetFormatError(
            f"{source!r} needs more memory than may be used. Close other programs, split it, or "
            "use a machine with more memory."
        ) from error


def _read(source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
    name = options.format or recognise(source)
    try:
        dataset = READERS.get(name)().read(source, options, progress)
    except OSError as error:
        raise DatasetFormatError(f"{source!r} cannot be read: {error}.") from error
    dataset = selection.only_splits(dataset, options.splits, source)
    if options.candidates is not None:
        dataset = candidate_file.apply_candidates(
            dataset,
            Path(options.candidates).expanduser(),
            options.candidates_mode,
            options.votes_as,
            options.threshold,
            options.tables(),
        )
    _require_columns(options, dataset)
    if dataset.candidates is None and dataset.truth is None and options.unlabelled != "keep":
        raise DatasetFormatError(
            f"{source} has neither candidates nor labels. Give a candidate file, or take all "
            "classes as candidates with --unlabelled keep."
        )
    return selection.settle_unlabelled(dataset, options.unlabelled, source)


def _require_columns(options: ReadOptions, dataset: SourceDataset) -> None:
    """Make sure that no column the user names was passed over.

    Raises:
        SettingError: One was.
    """
    used = dataset.understanding.columns
    for role, names in options.columns.items():
        for name in names:
            if name not in used.get(role, ()):
                there = [column for columns in used.values() for column in columns]
                hint = closest(name, there) if role in ROLES else closest(role, ROLES)
                raise SettingError(
                    f"--columns {role}={name}: no such column is read as {role}. {hint}".rstrip()
                )


def source_path(source: str) -> Path:
    """The file or folder of a source.

    Raises:
        DatasetFormatError: It is not there.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise DatasetFormatError(f"{source!r} does not exist.")
    return path


def _found(source: str) -> str:
    path = Path(source).expanduser()
    if path.is_dir():
        suffixes = Counter(entry.suffix or "no ending" for entry in path.iterdir())
        kinds = ", ".join(f"{suffix} ({count})" for suffix, count in suffixes.most_common(5))
        return f"The folder {source!r} holds {kinds or 'nothing'}; that is no known format."
    hint = ""
    if path.suffix.lower() in candidate_file.SUFFIXES:
        hint = " If it holds candidate sets, import the images and give it with --candidates."
    return f"The file {path.name!r} is in no known format.{hint}"
