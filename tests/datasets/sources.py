"""Tiny sources of every format, generated on the spot, and the same sources broken."""

import csv
import gzip
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from PIL import Image

from cad_studio.datasets._base import ReadOptions

NAMES = ["cat", "dog", 'ärger, "x"|\n${alert(1)}<img src=x onerror=alert(1)>']
SETS = [[0, 1], [1, 2], [0, 1, 2], [2]]
TRUTH = [0, 1, 2, 2]
IDS = [f"train/ü{row}.png" for row in range(4)]


@dataclass
class Source:
    """A source on disk and what a reader must find in it."""

    source: str
    options: ReadOptions = field(default_factory=ReadOptions)
    names: tuple[str, ...] = tuple(NAMES)
    ids: tuple[str, ...] | None = tuple(IDS)
    has_sets: bool = True
    has_truth: bool = True
    has_images: bool = True
    broken_file: str = ""


def pixels(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 256, (5, 4, 3), np.uint8)


def png(row: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(row)).save(buffer, "PNG")
    return buffer.getvalue()


def mask() -> np.ndarray:
    out = np.zeros((4, 3), bool)
    for row, members in enumerate(SETS):
        out[row, members] = True
    return out


def write_csv(path: Path, rows: list[list[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def named(members: list[int]) -> list[str]:
    return [NAMES[member] for member in members]


def metadata_rows() -> list[list[object]]:
    header = ["id", "file_name", "split", "candidates", "label"]
    return [header] + [
        [IDS[row], f"{row}.png", "train", json.dumps(named(SETS[row])), NAMES[TRUTH[row]]]
        for row in range(4)
    ]


def image_folder(folder: Path, broken: bool) -> Source:
    root = folder / "pictures"
    root.mkdir()
    for row in range(4):
        (root / f"{row}.png").write_bytes(png(row))
    rows = metadata_rows()
    if broken:
        rows[3].pop()
    write_csv(root / "metadata.csv", rows)
    return Source(str(root), broken_file="metadata.csv, line 4")


def huggingface(folder: Path, broken: bool) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"label": {"names": NAMES, "_type": "ClassLabel"}}
    table = pa.table(
        {
            "id": IDS,
            "image": pa.array([{"bytes": png(row), "path": None} for row in range(4)]),
            "candidates": pa.array([named(members) for members in SETS]),
            "label": pa.array(TRUTH, pa.int64()),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path = folder / "train-00000-of-00001.parquet"
    pq.write_table(table, path, row_group_size=2)
    if broken:
        path.write_bytes(path.read_bytes()[:-40])
    return Source(str(path), broken_file=path.name)


def annotator_votes(folder: Path, broken: bool) -> Source:
    (folder / "shots").mkdir()
    rows: list[list[object]] = [["image", "annotator", "label", "truth"]]
    for row, members in enumerate(SETS):
        (folder / "shots" / f"ü{row}.png").write_bytes(png(row))
        for voter, label in enumerate(members):
            rows.append([f"ü{row}.png", f"anna {voter}", NAMES[label], NAMES[TRUTH[row]]])
    if broken:
        rows[4] = ["ü1.png", "anna 0"]
    write_csv(folder / "votes.csv", rows)
    return Source(
        str(folder / "votes.csv"),
        ReadOptions(images_dir=str(folder / "shots"), class_names=tuple(NAMES)),
        ids=tuple(f"ü{row}.png" for row in range(4)),
        broken_file="votes.csv, line",
    )


def idx_bytes(array: np.ndarray) -> bytes:
    shape = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return shape + array.astype(np.uint8).tobytes()


def idx(folder: Path, broken: bool) -> Source:
    root = folder / "digits"
    root.mkdir()
    images = gzip.compress(idx_bytes(np.stack([pixels(row)[..., 0] for row in range(4)])))
    (root / "train-images-idx3-ubyte.gz").write_bytes(images[:-12] if broken else images)
    (root / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.array(TRUTH)))
    return Source(
        str(root),
        names=tuple("0123456789"),
        ids=None,
        has_sets=False,
        broken_file="train-images-idx3-ubyte.gz",
    )


def torchvision(folder: Path, broken: bool) -> Source:
    root = folder / "FashionMNIST" / "raw"
    root.mkdir(parents=True)
    images = np.stack([np.resize(pixels(row)[..., 0], (28, 28)) for row in range(4)])
    for part in ("train", "t10k"):
        data = idx_bytes(images)
        (root / f"{part}-images-idx3-ubyte").write_bytes(data[:-9] if broken else data)
        (root / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(np.array(TRUTH)))
    from cad_studio.datasets.idx import FASHION_CLASSES

    return Source(
        "torchvision:FashionMNIST",
        ReadOptions(splits=("train",), cache_dir=str(folder)),
        names=FASHION_CLASSES,
        ids=None,
        has_sets=False,
        broken_file="FashionMNIST",
    )


def npz(folder: Path, broken: bool) -> Source:
    path = folder / "data.npz"
    np.savez_compressed(
        path,
        images=np.stack([pixels(row) for row in range(4)]),
        candidates=mask(),
        labels=np.array(TRUTH),
        ids=np.array(IDS),
        class_names=np.array(NAMES),
    )
    if broken:
        path.write_bytes(path.read_bytes()[:-30])
    return Source(str(path), broken_file="data.npz")


def mat(folder: Path, broken: bool) -> Source:
    from scipy.io import savemat
    from scipy.sparse import csc_matrix

    path = folder / "lost.mat"
    data = np.random.default_rng(0).normal(size=(4, 6))
    one_hot = np.eye(3)[TRUTH]
    content = {"data": data, "partial_target": csc_matrix(mask().T * 1.0), "target": one_hot.T}
    savemat(path, content, do_compression=True)
    if broken:
        path.write_bytes(path.read_bytes()[:-50])
    return Source(
        str(path), names=("1", "2", "3"), ids=None, has_images=False, broken_file="lost.mat"
    )


def label_studio(folder: Path, broken: bool) -> Source:
    """Two annotators a task, one more who skipped it, and an annotation marked as the truth."""
    tasks = []
    for row, members in enumerate(SETS):
        said = [(f"{who}@x.org", [NAMES[label]], False) for who, label in enumerate(members)]
        said = [*said, ("gold", [NAMES[TRUTH[row]]], True), ("lazy", [], False)]
        annotations = [
            {
                "completed_by": {"email": who}, "was_cancelled": not chosen, "ground_truth": gold,
                "result": [{"type": "choices", "from_name": "kind", "value": {"choices": chosen}}],
            }
            for who, chosen, gold in said
        ]  # fmt: skip
        (folder / f"0123abcd-ü{row}.png").write_bytes(png(row))
        data = {"image": f"/data/upload/7/0123abcd-%C3%BC{row}.png", "sample_id": IDS[row]}
        tasks.append({"id": row, "data": {**data, "split": "train"}, "annotations": annotations})
    path = folder / "project-1.json"
    path.write_text(json.dumps(tasks)[: -1 if broken else None])
    return Source(str(path), ReadOptions(class_names=tuple(NAMES)), broken_file=path.name)


def argilla(folder: Path, broken: bool) -> Source:
    records = []
    for row, members in enumerate(SETS):
        (folder / f"{row}.png").write_bytes(png(row))
        said = [{"value": NAMES[label], "user_id": f"u{label}"} for label in members]
        records.append({
            "id": IDS[row], "status": "completed", "fields": {"image": f"/home/me/{row}.png"},
            "metadata": {}, "suggestions": {}, "responses": {"kind": said}, "vectors": {},
        })  # fmt: skip
    path = folder / "records.json"
    path.write_text(json.dumps(records)[: -1 if broken else None])
    options = ReadOptions(class_names=tuple(NAMES))
    return Source(str(path), options, has_truth=False, broken_file=path.name)


def coco(folder: Path, broken: bool) -> Source:
    """Images of one category each, which is then their label."""
    images = []
    for row in range(4):
        (folder / f"{row}.png").write_bytes(png(row))
        images.append({"id": 10 + row, "file_name": f"{row}.png", "width": 4, "height": 5})
    value = {
        "images": images,
        "annotations": [
            {"id": 2 * row + box, "image_id": 10 + row, "category_id": 5 + label, "bbox": [0] * 4}
            for row, label in enumerate(TRUTH)
            for box in range(2)
        ],
        "categories": [{"id": 5 + label, "name": name} for label, name in enumerate(NAMES)],
    }
    path = folder / "instances_train2017.json"
    path.write_text(json.dumps(value)[: -1 if broken else None])
    return Source(str(path), ids=None, has_sets=False, broken_file=path.name)


def cvat(folder: Path, broken: bool) -> Source:
    root = folder / "task"
    (root / "images").mkdir(parents=True)
    labels = "".join(f"<label><name>{escape(name)}</name></label>" for name in NAMES)
    images = ""
    for row, label in enumerate(TRUTH):
        (root / "images" / f"ü{row}.png").write_bytes(png(row))
        tag = f'<tag label={quoteattr(NAMES[label])} source="manual"></tag>'
        images += f'<image id="{row}" name="ü{row}.png" width="4" height="5">{tag}</image>'
    text = f"<annotations><meta><task><labels>{labels}</labels></task></meta>{images}"
    end = "" if broken else "</annotations>"
    (root / "annotations.xml").write_text(text + end, encoding="utf-8")
    return Source(str(root), ids=None, has_sets=False, broken_file="annotations.xml")


def fiftyone(folder: Path, broken: bool) -> Source:
    root = folder / "exported"
    (root / "data").mkdir(parents=True)
    samples = []
    for row, members in enumerate(SETS):
        (root / "data" / f"{row}.png").write_bytes(png(row))
        several = [{"_cls": "Classification", "label": NAMES[index]} for index in members]
        samples.append({
            "filepath": f"data/{row}.png", "tags": ["train"], "sample_id": IDS[row],
            "ground_truth": {"_cls": "Classification", "label": NAMES[TRUTH[row]]},
            "kind": {"_cls": "Classifications", "classifications": several},
        })  # fmt: skip
    (root / "samples.json").write_text(json.dumps({"samples": samples})[: -1 if broken else None])
    (root / "metadata.json").write_text(json.dumps({"default_classes": NAMES}))
    return Source(str(root), broken_file="samples.json")


def yolo(folder: Path, broken: bool) -> Source:
    root = folder / "shapes"
    names = ["a", "b", "c"]
    for row, label in enumerate(TRUTH):
        place = root / "train" / names[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{row}.png").write_bytes(png(row))
    (root / "data.yaml").write_text("names: [a, b, c" if broken else "names: {0: a, 1: b, 2: c}")
    return Source(str(root), names=tuple(names), ids=None, has_sets=False, broken_file="data.yaml")


MAKERS: dict[str, Callable[[Path, bool], Source]] = {
    "annotator-votes": annotator_votes,
    "argilla": argilla,
    "coco": coco,
    "cvat": cvat,
    "fiftyone": fiftyone,
    "huggingface": huggingface,
    "idx": idx,
    "image-folder": image_folder,
    "label-studio": label_studio,
    "mat": mat,
    "npz": npz,
    "torchvision": torchvision,
    "yolo": yolo,
}
