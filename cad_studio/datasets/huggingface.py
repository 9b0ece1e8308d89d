"""Hugging Face datasets: Parquet, Arrow, `save_to_disk` folders and hub ids.

Columns: `image`, a struct of bytes and path (or bytes), or `features`, a list of numbers;
`candidates`, a list of class indices or names; `label`; optionally `id` and `split`. ClassLabel
names are honoured. Local files are read where they lie; only hub datasets go into a cache.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cad_studio.core.dataset import UNKNOWN, Images, SourceDataset
from cad_studio.core.errors import DatasetFormatError, ResourceError
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.datasets._arrow import ArrowPart, HubPart, ParquetPart, Part, column, matrix
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._classes import Label
from cad_studio.datasets._images import JoinedImages
from cad_studio.datasets._samples import Samples, build_dataset
from cad_studio.datasets._tables import candidate_cell, plain_label
from cad_studio.datasets._trees import SPLIT_WORDS, FolderTree
from cad_studio.datasets.image_folder import class_list
from cad_studio.datasets.npz import to_features

PREFIX = "hf:"
IMAGE_COLUMNS = ("image", "img", "picture")
LABEL_COLUMNS = ("label", "labels", "fine_label", "target", "class")
_SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$")
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_VOTES = {"image", "annotator", "label"}


@READERS.register("huggingface")
class HuggingFace(DatasetReader):
    """Datasets in the layouts of the Hugging Face `datasets` library."""

    name = "huggingface"
    wants = "a .parquet or .arrow file, a folder of them, a save_to_disk folder, or hf:owner/name"

    def recognises(self, source: str) -> bool:
        """A hub id, a Parquet or Arrow file (not of votes), or a folder that holds some."""
        if source.startswith(PREFIX):
            return True
        path = Path(source).expanduser()
        if path.is_file():
            if path.suffix.lower() == ".arrow":
                return True
            return path.suffix.lower() == ".parquet" and not _is_votes(path)
        return path.is_dir() and (_is_saved(path) or bool(_data_files(path, deep=False)))

    def is_fragile(self, source: str) -> bool:
        """A local Parquet or Arrow file, or a folder of them."""
        if source.startswith(PREFIX):
            return False
        path = Path(source).expanduser()
        if path.is_dir():
            return _is_saved(path) or bool(_data_files(path, deep=False))
        return path.suffix.lower() in (".parquet", ".arrow")

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read all columns but the images."""
        progress.report(0.0, f"Opening {source}")
        descriptions: dict[str, str] = {}
        names = list(options.class_names) if options.class_names else None
        if source.startswith(PREFIX):
            parts = _from_hub(source.removeprefix(PREFIX), options)
        else:
            path = source_path(source)
            folder = path if path.is_dir() else path.parent
            if path.is_dir():
                names, descriptions = class_list(FolderTree(folder), options.class_names)
            parts = _local_parts(path, options)
        names = names or _class_names(parts)
        for part in parts:
            descriptions = {**_texts(part.notes.get("class_descriptions")), **descriptions}
        samples, columns = _samples(source, parts, options, progress)
        dataset = build_dataset(samples, names, descriptions, _images(parts, columns))
        if columns[0] is None:
            dataset.features = _features(parts)
        return dataset


def _is_votes(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (OSError, ValueError, pa.ArrowException):
        return False
    if not set(schema.names) >= _VOTES or schema.names.count("image") > 1:
        return False
    return pa.types.is_string(schema.field("image").type)


def _is_saved(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _data_files(folder: Path, deep: bool) -> list[Path]:
    patterns = ("**/*",) if deep else ("*", "data/*", "*/*")
    found = {
        path
        for pattern in patterns
        for path in folder.glob(pattern)
        if path.suffix in (".parquet", ".arrow") and path.is_file()
    }
    return sorted(found)


def _local_parts(path: Path, options: ReadOptions) -> list[Part]:
    if path.is_file():
        named = options.only_split() if len(options.splits) == 1 else None
        return [_open(path, named or _split_of(path), {})]
    if (path / "dataset_dict.json").is_file():
        splits = _load_json(path / "dataset_dict.json").get("splits", [])
        return [part for split in splits for part in _saved(_below(path, str(split)), str(split))]
    if (path / "state.json").is_file():
        return _saved(path, None)
    files = _data_files(path, deep=True)
    if not files:
        raise DatasetFormatError(f"{path.name} holds no Parquet or Arrow file.")
    return [_open(file, _split_of(file), {}) for file in files]


def _open(path: Path, split: str | None, features: dict[str, Any]) -> Part:
    if path.suffix == ".arrow":
        return ArrowPart(path, split, features)
    return ParquetPart(path, split)


def _saved(folder: Path, split: str | None) -> list[Part]:
    """The Arrow files of a `save_to_disk` folder, in the order its `state.json` lists them."""
    state = _load_json(folder / "state.json")
    info = folder / "dataset_info.json"
    features = _load_json(info).get("features") or {} if info.is_file() else {}
    split = split or state.get("_split") or None
    try:
        files = [_below(folder, str(file["filename"])) for file in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise DatasetFormatError(
            f"{folder.name}/state.json lists no data files; it is not from save_to_disk."
        ) from error
    return [ArrowPart(file, split, features) for file in files]


def _below(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DatasetFormatError(f"{folder.name} names the file {name!r}, which lies outside it.")
    if not path.exists():
        raise DatasetFormatError(f"{folder.name} lacks {name!r}, which it lists.")
    return path


def _load_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetFormatError(f"{path.name} is no readable JSON ({error}).") from error
    if not isinstance(value, dict):
        raise DatasetFormatError(f"{path.name} must hold an object.")
    return value


def _split_of(path: Path) -> str | None:
    """The split that a file name tells, such as `train-00000-of-00002.parquet`."""
    stem = _SHARD.sub("", path.stem)
    for name in (stem, re.split(r"[-_.]", stem)[0], re.split(r"[-_.]", stem)[-1], path.parent.name):
        if name.lower() in SPLIT_WORDS:
            return name
    return None


def _from_hub(identifier: str, options: ReadOptions) -> list[Part]:
    name, _, config = identifier.partition("#")
    if not _HUB_NAME.fullmatch(name):  # the library would take other texts for local paths
        raise DatasetFormatError(f"{PREFIX}{name} is no hub dataset; expected {PREFIX}owner/name.")
    datasets = require("datasets", install="datasets", purpose=f"Reading {PREFIX}{name}")
    cache = Path(options.cache_dir).expanduser() / "huggingface" if options.cache_dir else None
    try:
        loaded = datasets.load_dataset(
            name, config or None, cache_dir=str(cache) if cache else None
        )
    except (OSError, RuntimeError) as error:  # DatasetNotFoundError and all of the network
        raise ResourceError(
            f"{name!r} cannot be had from the Hugging Face hub ({_short(error)}). Check the name "
            "and the network, or download its Parquet files and import the folder."
        ) from error
    except (ValueError, TypeError, LookupError) as error:
        raise DatasetFormatError(
            f"{name!r} on the Hugging Face hub is not read as it is ({_short(error)}). "
            "A configuration is chosen with hf:owner/name#configuration."
        ) from error
    root = cache or Path(datasets.config.HF_CACHE_HOME)
    wanted = options.splits or tuple(loaded)
    return [HubPart(loaded[split], split, root) for split in loaded if split in wanted] or [
        HubPart(loaded[split], split, root) for split in loaded
    ]


def _short(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300].rstrip(".")


def _class_names(parts: list[Part]) -> list[str] | None:
    """Class names from the metadata, the same in all parts that have some."""
    found: tuple[str, list[str]] | None = None
    for part in parts:
        names = part.notes.get("class_names")
        _, label, _ = _columns(part)
        for description in (part.features.get("candidates"), part.features.get(label or "")):
            names = names or _names_in(description)
        if not isinstance(names, list) or not names:
            continue
        names = [str(name) for name in names]
        if found is not None and found[1] != names:
            raise DatasetFormatError(
                f"{part.label} has other class names than {found[0]}. Give the class names "
                "yourself, or import the files one by one."
            )
        found = (part.label, names)
    return found[1] if found else None


def _names_in(description: Any) -> list[str] | None:
    """The names of a ClassLabel, also of one inside a list."""
    if isinstance(description, list) and description:
        return _names_in(description[0])
    if isinstance(description, dict):
        if isinstance(description.get("names"), list):
            return description["names"]
        return _names_in(description.get("feature"))
    return None


def _texts(value: Any) -> dict[str, str]:
    items = value.items() if isinstance(value, dict) else ()
    return {str(key): text for key, text in items if isinstance(text, str)}


def _columns(part: Part) -> tuple[str | None, str | None, bool]:
    """Image column, label column, and whether there are candidates."""
    import pyarrow as pa

    there = part.schema.names

    def is_image(name: str) -> bool:
        kind = part.schema.field(name).type
        if pa.types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    images = [name for name in there if is_image(name)]
    image = next((name for name in IMAGE_COLUMNS if name in images), None)
    label = next((name for name in LABEL_COLUMNS if name in there), None)
    if label is None:
        label = next((name for name in there if _is_class_label(part.features.get(name))), None)
    return image or (images[0] if images else None), label, "candidates" in there


def _is_class_label(description: Any) -> bool:
    return isinstance(description, dict) and isinstance(description.get("names"), list)


def _samples(
    source: str, parts: list[Part], options: ReadOptions, progress: Progress
) -> tuple[Samples, list[str | None]]:
    """The rows of all parts, and the image column of each part."""
    starts = np.cumsum([0, *(part.n_rows for part in parts)])

    def where(row: int) -> str:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        return f"{parts[part].label}, row {row - starts[part]}"

    described = [_columns(part) for part in parts]
    images = [image for image, _, _ in described]
    if len({image is None for image in images}) > 1:
        bare = parts[images.index(None)].label
        raise DatasetFormatError(f"{bare} has no image column, while other files have one.")
    has_sets = any(candidates for _, _, candidates in described)
    has_labels = any(label is not None for _, label, _ in described)
    samples = Samples(
        source=Path(source).name or source,
        ids=[],
        splits=[],
        sets=[] if has_sets else None,
        labels=[] if has_labels else None,
        where=where,
    )
    taken: dict[str, int] = {}
    for number, (part, (_, label, candidates)) in enumerate(zip(parts, described, strict=True)):
        progress.report(number / len(parts), f"Reading {part.label}")
        start = int(starts[number])
        there = part.schema.names
        split = part.split or options.only_split()
        splits = [split] * part.n_rows
        if "split" in there:
            splits = [str(value) if value else split for value in column(part, "split")]
        samples.splits += splits
        samples.ids += _ids(part, splits, taken)
        if samples.sets is not None:
            cells = column(part, "candidates") if candidates else [None] * part.n_rows
            samples.sets += [
                candidate_cell(cell, where(start + row)) if candidates else None
                for row, cell in enumerate(cells)
            ]
        if samples.labels is not None:
            cells = column(part, label) if label else [None] * part.n_rows
            samples.labels += [_label(cell, where, start + row) for row, cell in enumerate(cells)]
    return samples, images


def _label(cell: Any, where: Callable[[int], str], row: int) -> Label | None:
    if cell is None or cell == "" or cell == UNKNOWN:
        return None
    return cell if type(cell) is int else plain_label(cell, where(row))


def _ids(part: Part, splits: list[str], taken: dict[str, int]) -> list[str]:
    if "id" in part.schema.names:
        return [str(value) for value in column(part, "id")]
    ids = []
    for split in splits:
        row = taken.get(split, 0)
        taken[split] = row + 1
        ids.append(f"{split}/{row:05d}")
    return ids


def _images(parts: list[Part], columns: list[str | None]) -> Images | None:
    if columns[0] is None:
        return None
    stores = [part.images(name) for part, name in zip(parts, columns, strict=True) if name]
    return stores[0] if len(stores) == 1 else JoinedImages(stores)


def _features(parts: list[Part]) -> Any:
    for part in parts:
        if "features" not in part.schema.names:
            raise DatasetFormatError(
                f"{part.label} has neither a column of images nor a column 'features'. "
                f"It has: {', '.join(part.schema.names[:12])}."
            )
    found = [matrix(part, "features") for part in parts]
    if len({values.shape[1] for values in found}) > 1:
        raise DatasetFormatError(
            f"{parts[0].label}: the features are not lists of numbers of one length in all files."
        )
    values = found[0] if len(found) == 1 else np.concatenate(found)
    return to_features(values, f"{parts[0].label}, features")
