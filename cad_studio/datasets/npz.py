"""NumPy archives, `.npz`.

Arrays: `images` uint8 (N, H, W) or (N, H, W, 3), or `features` (N, D), or both; `candidates` bool
(N, C) and/or `labels` (N,), class indices or names; optionally `ids` (N,), `class_names` (C,),
`class_descriptions` (C,) and `split`, one text or (N,). Votes: `votes` int (3, M), which sample got
from which annotator (-1 where not known) which class; `annotators` (A,), and `vote_weights` (M,).
Further arrays (N,) become fields.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, SourceDataset, Votes
from cad_studio.core.errors import DatasetFormatError, closest
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.datasets._arrays import Announced, NpzArchive, as_mask, check_mask
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._classes import ClassTable, Label, shown
from cad_studio.datasets._images import ArrayImages
from cad_studio.datasets._memory import require_memory, require_rows
from cad_studio.datasets._samples import Samples, build_dataset

Array = NDArray[np.generic]
ARRAYS = frozenset(
    {
        "images",
        "features",
        "candidates",
        "labels",
        "ids",
        "class_names",
        "class_descriptions",
        "split",
        "votes",
        "annotators",
        "vote_weights",
    }
)


FIELD_PREFIX = "field:"
"""What our exports put before the name of a field, which may be called anything."""

_PLAIN = "biufUM"


@READERS.register("npz")
class NpzFile(DatasetReader):
    """Arrays in a NumPy archive."""

    name = "npz"
    wants = "a .npz file with images or features, and candidates or labels"

    def recognises(self, source: str) -> bool:
        """A file that ends in `.npz`."""
        path = Path(source).expanduser()
        return path.is_file() and path.suffix.lower() == ".npz"

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Hold what the arrays announce against each other, then load them."""
        path = source_path(source)
        progress.report(0.0, f"Reading {path.name}")
        archive = NpzArchive(path, ARRAYS)
        n_samples = _n_samples(path, archive.announced)
        _check_room(path, archive.announced, n_samples)
        arrays = {name: archive.read(name) for name in archive.announced}
        mask = None
        if "candidates" in arrays:
            mask = as_mask(arrays["candidates"], f"{path.name}, candidates")
        dataset = build_dataset(
            _samples(path, arrays, n_samples, options),
            _class_names(path, arrays, mask, options),
            {},
            ArrayImages(arrays["images"]) if "images" in arrays else None,
        )
        if mask is not None:
            if mask.shape[1] != len(dataset.class_names):
                raise DatasetFormatError(
                    f"{path.name}: candidates has {mask.shape[1]} columns, but there are "
                    f"{len(dataset.class_names)} classes."
                )
            dataset.candidates = PartialLabels.from_dense(mask)
            # A sample without a label is not without candidates.
            dataset.problems = [p for p in dataset.problems if p.kind != "empty-set"]
        if "features" in arrays:
            dataset.features = to_features(arrays["features"], f"{path.name}, features")
        dataset.votes = _votes(path, arrays, n_samples, len(dataset.class_names))
        dataset.class_descriptions = _descriptions(path, arrays, dataset.class_names)
        dataset.fields = _fields(path, archive.others, n_samples, dataset)
        told = dataset.understanding
        main = "images" if "images" in arrays else "features"
        told.layout = f"arrays of {main} in a NumPy archive"
        told.take("arrays", ", ".join(f"{name} {arrays[name].shape}" for name in sorted(arrays)))
        return dataset


def _fields(
    path: Path, names: Sequence[str], n_samples: int, dataset: SourceDataset
) -> dict[str, Sequence[object]]:
    """Further arrays with a value for each sample; others are left out with a word."""
    found: dict[str, Sequence[object]] = {}
    for name in names:
        try:
            opened = NpzArchive(path, {name})
            announced = opened.announced[name]
            fits = announced.shape == (n_samples,) and announced.dtype.kind in _PLAIN
        except DatasetFormatError:
            fits = False
        if not fits:
            dataset.understanding.leave_out(
                "arrays that are not read, as they are neither known nor a value for each sample",
                [name],
            )
            continue
        require_memory(3 * announced.size_bytes + 100 * announced.size, f"{path.name}, {name}")
        values = opened.read(name)
        if values.dtype.kind == "M":
            values = values.astype("datetime64[us]")
        field_name = name.removeprefix(FIELD_PREFIX)
        found[field_name] = values.tolist()
        dataset.understanding.use_column("field", field_name)
    return found


def to_features(values: Array, where: str) -> NDArray[np.float32]:
    """A feature matrix, float32 (N, D).

    Raises:
        DatasetFormatError: Not a matrix of real numbers, or without columns.
    """
    if values.ndim != 2 or values.dtype.kind not in "biuf" or values.shape[1] == 0:
        raise DatasetFormatError(
            f"{where}: expected real numbers (samples, features), found {values.dtype} "
            f"{values.shape}."
        )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)


def _votes(path: Path, arrays: dict[str, Array], n_samples: int, n_classes: int) -> Votes | None:
    """Who said what, or None without votes.

    Raises:
        DatasetFormatError: They do not fit the samples, the classes or the annotators.
    """
    if "votes" not in arrays:
        return None
    votes = arrays["votes"]
    names = [str(name) for name in arrays.get("annotators", np.zeros(0, str)).ravel().tolist()]
    weight = arrays.get("vote_weights")
    if votes.ndim != 2 or votes.shape[0] != 3 or votes.dtype.kind not in "iu":
        raise DatasetFormatError(
            f"{path.name}: votes must be integers (3, votes), found {votes.dtype} {votes.shape}."
        )
    if weight is not None and (weight.shape != votes.shape[1:] or weight.dtype.kind not in "iuf"):
        raise DatasetFormatError(f"{path.name}: vote_weights needs a number for each vote.")
    for row, (low, high, what) in enumerate(
        ((0, n_samples, "sample"), (UNKNOWN, len(names), "annotator"), (0, n_classes, "class"))
    ):
        if votes.size and not low <= int(votes[row].min()) <= int(votes[row].max()) < high:
            raise DatasetFormatError(f"{path.name}: a vote names a {what} that is not there.")
    sample, annotator, label = votes.astype(np.int32)
    return Votes(
        sample, annotator, label, names, None if weight is None else weight.astype(np.float32)
    )


def _n_samples(path: Path, arrays: dict[str, Announced]) -> int:
    main = "images" if "images" in arrays else "features"
    if main not in arrays:
        hint = closest("images", arrays)
        raise DatasetFormatError(f"{path.name} has neither images nor features. {hint}".rstrip())
    if "images" in arrays:
        images = arrays["images"]
        fits = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
        if images.dtype != np.uint8 or not fits or 0 in images.shape[1:]:
            raise DatasetFormatError(
                f"{path.name}: images must be uint8 (N, H, W) or (N, H, W, 3), found "
                f"{images.dtype} {images.shape}."
            )
    n_samples = len(arrays[main]) if arrays[main].ndim else 0
    for name in ("features", "candidates", "labels", "ids", "split"):
        values = arrays.get(name)
        if values is None or (name == "split" and values.ndim == 0):
            continue
        if values.ndim == 0 or len(values) != n_samples:
            found = len(values) if values.ndim else "one value"
            raise DatasetFormatError(
                f"{path.name}: {main} has {n_samples} rows, {name} has {found}. "
                "Every array must have a row for each sample."
            )
    return n_samples


def _check_room(path: Path, arrays: dict[str, Announced], n_samples: int) -> None:
    """Refuse what would not fit into memory; images do not count, they stay in a mapped file."""
    require_rows(n_samples, path.name)
    if "features" in arrays:
        # as float32, beside the rows that are held against infinity
        require_memory(5 * arrays["features"].size, f"{path.name}, features")
    if "candidates" in arrays:
        check_mask(
            arrays["candidates"].shape, arrays["candidates"].dtype, f"{path.name}, candidates"
        )
    for name in arrays.keys() - {"images", "features", "candidates"}:
        texts = arrays[name]
        require_memory(3 * texts.size_bytes + 100 * texts.size, f"{path.name}, {name}")


def _samples(path: Path, arrays: dict[str, Array], n_samples: int, options: ReadOptions) -> Samples:
    split = arrays.get("split")
    if split is None:
        splits = [options.only_split()] * n_samples
    elif split.ndim == 0:
        splits = [str(split)] * n_samples
    else:
        splits = [str(value) for value in split.tolist()]
    if "ids" in arrays:
        ids = [str(value) for value in arrays["ids"].tolist()]
    else:
        ids = [f"{name}/{row:05d}" for row, name in enumerate(splits)]
    labels = _labels(path, arrays["labels"]) if "labels" in arrays else None
    return Samples(
        source=path.name,
        ids=ids,
        splits=splits,
        sets=None,  # the matrix is put in afterwards, as it is
        labels=labels,
        where=lambda row: f"{path.name}, row {row}",
    )


def _labels(path: Path, values: Array) -> list[Label | None]:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "iuUf":
        raise DatasetFormatError(
            f"{path.name}: labels must be class indices or names (N,), found {values.dtype} "
            f"{values.shape}."
        )
    if values.dtype.kind == "f":
        wrong = np.flatnonzero(values != np.rint(values))
        if len(wrong):
            raise DatasetFormatError(
                f"{path.name}: {len(wrong):,} of {len(values):,} labels are no whole numbers "
                f"(first: row {wrong[0]}, {values[wrong[0]]})."
            )
        values = values.astype(np.int64)
    return [None if value in (-1, "") else value for value in values.tolist()]


def _class_names(
    path: Path, arrays: dict[str, Array], mask: NDArray[np.bool_] | None, options: ReadOptions
) -> list[str] | None:
    if options.class_names:
        return list(options.class_names)
    if "class_names" in arrays:
        return _texts(path, "class_names", arrays["class_names"])
    if mask is not None:
        # Refused here, before a list of as many names is made.
        return ClassTable([str(column) for column in range(mask.shape[1])], path.name).names
    return None


def _descriptions(path: Path, arrays: dict[str, Array], names: list[str]) -> dict[str, str]:
    if "class_descriptions" not in arrays:
        return {}
    texts = _texts(path, "class_descriptions", arrays["class_descriptions"])
    if len(texts) != len(names):
        raise DatasetFormatError(
            f"{path.name}: {len(texts)} class_descriptions for {len(names)} classes."
        )
    return {name: text for name, text in zip(names, texts, strict=True) if text}


def _texts(path: Path, name: str, values: Array) -> list[str]:
    if values.ndim != 1 or values.dtype.kind != "U":
        raise DatasetFormatError(
            f"{path.name}: {name} must be texts (C,), found {shown(str(values.dtype))} "
            f"{values.shape}."
        )
    return values.tolist()
