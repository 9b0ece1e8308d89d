"""Sources that attack: tiny ones of every format, damaged at random, and bombs made by hand.

Everything follows from a seed. `damaged` walks all readers and candidate files; `BOMBS` has the
kinds that random damage does not find: much out of little, wild headers, types nobody expects.
"""

import gzip
import io
import json
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from cad_studio.datasets._base import ReadOptions
from tests.datasets.sources import (
    MAKERS,
    NAMES,
    SETS,
    TRUTH,
    Source,
    mask,
    named,
    pixels,
    png,
    write_csv,
)

Maker = Callable[[Path, Random], Source]


# Bases: what is damaged.


def labelled(folder: Path) -> Path:
    """A labelled source of four samples, for candidate files."""
    path = folder / "labelled.npz"
    if not path.exists():
        images = np.stack([pixels(row) for row in range(4)])
        np.savez(path, images=images, labels=np.array(TRUTH), class_names=np.array(NAMES))
    return path


def with_candidates(folder: Path, name: str) -> tuple[Source, Path]:
    """The labelled source with a candidate file that is still to be written."""
    path = folder / name
    options = ReadOptions(candidates=str(path))
    return Source(str(labelled(folder)), options, broken_file=name), path


def arrow_table():
    import pyarrow as pa

    return pa.table(
        {
            "image": pa.array([{"bytes": png(row), "path": None} for row in range(4)]),
            "candidates": pa.array([named(members) for members in SETS]),
            "label": pa.array([NAMES[label] for label in TRUTH]),
        }
    )


def arrow_stream(folder: Path) -> Source:
    import pyarrow as pa

    path = folder / "train.arrow"
    table = arrow_table()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return Source(str(path))


def arrow_file(folder: Path) -> Source:
    import pyarrow as pa

    path = folder / "train.arrow"
    table = arrow_table()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, table.schema, options=options) as writer,
    ):
        writer.write_table(table)
    return Source(str(path))


def saved_folder(folder: Path) -> Source:
    root = folder / "saved"
    root.mkdir()
    arrow_stream(root)
    state = {"_data_files": [{"filename": "train.arrow"}], "_split": "train"}
    (root / "state.json").write_text(json.dumps(state))
    return Source(str(root))


def parquet_features(folder: Path) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "train.parquet"
    table = pa.table({"features": np.eye(4).tolist(), "candidates": SETS, "label": TRUTH})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    return Source(str(path))


def parquet_votes(folder: Path) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "votes.parquet"
    table = {"image": ["a.png", "a.png", "b.png"], "annotator": ["x", "y", "x"], "label": [0, 1, 1]}
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(png(0))
    pq.write_table(pa.table(table), path)
    return Source(str(path))


def zipped_folder(folder: Path) -> Source:
    made = MAKERS["image-folder"](folder, False)
    path = folder / "pictures.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(Path(made.source).iterdir()):
            archive.write(file, file.name)
    shutil.rmtree(made.source)
    return Source(str(path))


def pictures(folder: Path) -> Source:
    """One file of every image format, in folders by class."""
    for place, kind in enumerate(("png", "jpeg", "webp", "gif", "bmp", "tiff", "ppm")):
        target = folder / "shots" / "ab"[place % 2]
        target.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.kron(pixels(place), np.ones((4, 4, 1), np.uint8)))
        image.save(target / f"{place}.{kind}")
    return Source(str(folder / "shots"))


def mat_plain(folder: Path, name: str = "", compress: bool = False) -> Source:
    from scipy.io import savemat
    from scipy.sparse import csc_matrix

    path = folder / "plain.mat"
    content = {"data": np.eye(4, 6), "partial_target": mask().T * 1.0, "target": np.eye(3)[TRUTH].T}
    if compress:
        content["partial_target"] = csc_matrix(content["partial_target"])
    savemat(path, {name: content} if name else content, do_compression=compress)
    return Source(str(path))


def candidates_of(name: str) -> Callable[[Path], Source]:
    """A maker of the labelled source and a candidate file of this ending."""

    def make(folder: Path) -> Source:
        source, path = with_candidates(folder, name)
        write_candidates(path)
        return source

    return make


def write_candidates(path: Path) -> None:
    rows = [[NAMES[0], NAMES[1], NAMES[2]], *mask().astype(int).tolist()]
    ids = [f"train/{row:05d}" for row in range(4)]
    match path.name:
        case "sets.npy":
            np.save(path, mask())
        case "sets.npz":
            np.savez_compressed(path, candidates=mask(), ids=np.array(ids))
        case "sets.csv":
            write_csv(path, rows)
        case "sets.jsonl":
            lines = [
                json.dumps({"id": name, "candidates": named(members)})
                for name, members in zip(ids, SETS, strict=True)
            ]
            path.write_text("\n".join(lines))
        case "sets.pkl":
            votes = {row: [members, set(members)] for row, members in enumerate(SETS)}
            path.write_bytes(pickle.dumps(votes))
        case "old.pickle":
            votes = {row: [[np.int64(label) for label in members]] for row, members in
                     enumerate(SETS)}  # fmt: skip
            path.write_bytes(pickle.dumps(votes, protocol=2))
        case _:
            save_tensor(path)


def save_tensor(path: Path) -> None:
    """What `torch.save` writes for a bool matrix or a sparse one, in both of its layouts."""
    import torch

    tensor = torch.from_numpy(mask())
    if "sparse" in path.name:
        tensor = tensor.float().to_sparse()
    torch.save(tensor, path, _use_new_zipfile_serialization="old" not in path.name)


BASES: dict[str, Callable[[Path], Source]] = {
    **{
        f"reader {name}": lambda folder, make=make: make(folder, False)
        for name, make in MAKERS.items()
    },
    "arrow stream": arrow_stream,
    "arrow file": arrow_file,
    "saved folder": saved_folder,
    "parquet features": parquet_features,
    "parquet votes": parquet_votes,
    "zipped folder": zipped_folder,
    "pictures": pictures,
    "mat plain": mat_plain,
    "mat struct": lambda folder: mat_plain(folder, "lost"),
    "mat sparse": lambda folder: mat_plain(folder, compress=True),
    **{
        f"candidates {name}": candidates_of(name)
        for name in (
            *("sets.npy", "sets.npz", "sets.csv", "sets.jsonl", "sets.pkl", "old.pickle"),
            *("sets.pt", "sparse.pt", "old.pt", "old-sparse.pt"),
        )
    },
}


# Damage


def damaged(folder: Path, chance: Random) -> tuple[str, Source]:
    """A source with one file damaged in one to four places, and what it was."""
    name = chance.choice(sorted(BASES))
    made = BASES[name](folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if made.broken_file and (folder / made.broken_file).is_file():
        files = [folder / made.broken_file]
    path = chance.choice(files)
    data = path.read_bytes()
    repack = chance.random() < 0.6  # else a checksum hides most damage from what comes after it
    if repack and zipfile.is_zipfile(path):
        data = _rezipped(data, chance)
    elif repack and data[:2] == b"\x1f\x8b":
        data = gzip.compress(_hurt(gzip.decompress(data), chance))
    elif repack and data[:6] == b"MATLAB":
        data = _mat_damage(data, chance)
    elif repack and path.suffix == ".png":
        data = _png_damage(data, chance)
    else:
        data = _hurt(data, chance)
    path.write_bytes(data)
    return f"{name}: {path.name}", made


WILD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**40, 2**62, 2**64 - 1)


def _hurt(data: bytes, chance: Random) -> bytes:
    """One to four changes of a few kinds."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        size = len(out)
        if not size:
            return bytes(chance.randrange(256) for _ in range(8))
        place = chance.randrange(size)
        if chance.random() < 0.5:
            place = min(place, chance.choice((16, 128, 512)))
        length = chance.randint(1, 64)
        match chance.randrange(8):
            case 0 | 1:
                out[place % size] = chance.randrange(256)
            case 2:
                out[place % size] ^= 1 << chance.randrange(8)
            case 3:
                del out[chance.randrange(size) :]
            case 4:
                start = chance.randrange(size)
                out[place:place] = out[start : start + length]
            case 5:
                del out[place : place + length]
            case 6:
                out[place : place + length] = bytes(length)
            case 7:
                kind = chance.choice(["<I", ">I", "<Q", ">Q", "<H"])
                limit = 1 << 8 * struct.calcsize(kind)
                wild = struct.pack(kind, chance.choice(WILD) % limit)
                out[place : place + len(wild)] = wild
    return bytes(out)


def _rezipped(data: bytes, chance: Random) -> bytes:
    """The archive again, whole, with one member damaged."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    victim = chance.choice(sorted(members))
    members[victim] = _hurt(members[victim], chance)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _mat_damage(data: bytes, chance: Random) -> bytes:
    """The elements of a MATLAB file unpacked, damaged and, perhaps, packed again."""
    out, place = bytearray(data[:128]), 128
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<II", data, place)
        body = data[place + 8 : place + 8 + length]
        place += 8 + length
        if kind == 15:
            inner = _hurt(zlib.decompress(body), chance) if chance.random() < 0.5 else b""
            packed = zlib.compress(inner or zlib.decompress(body))
            out += struct.pack("<II", 15, len(packed)) + packed
        else:
            out += struct.pack("<II", kind, length) + _hurt(body, chance)
    return bytes(out)


def _png_damage(data: bytes, chance: Random) -> bytes:
    """A header or chunk changed, with the checksum made right again."""
    out, place = bytearray(data[:8]), 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length
        if chance.random() < 0.5:
            body = _hurt(body, chance)
        checksum = zlib.crc32(kind + body)
        out += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
    return bytes(out)


# Bombs and other things made by hand


def npz_bomb(folder: Path, chance: Random) -> Source:
    """Zeros that unpack to more than may be used, or are announced to."""
    path = folder / "bomb.npz"
    n_rows = chance.choice((10**6, 10**7, 10**12, 2**62))
    shapes = {
        "images": ("|u1", (n_rows, 28, 28)),
        "features": ("<f8", (n_rows, chance.choice((1, 100, 10**6)))),
        "candidates": ("|b1", (n_rows, 10)),
        "labels": (chance.choice(("<i8", "<U1", "<U9999")), (n_rows,)),
        "ids": ("<U5", (n_rows,)),
    }
    names = chance.sample(sorted(shapes), 3)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(f"{name}.npy", npy_header(*shapes[name]) + bytes(2**20))
    return Source(str(path))


def npz_zeros(folder: Path, chance: Random) -> Source:
    """Zeros that are really there: 600 MB out of 600 kB."""
    path = folder / "zeros.npz"
    kind, per_row = chance.choice((("<f8", 1000), ("|u1", 784)))
    name = "features" if kind == "<f8" else "images"
    n_rows = 600 * 10**6 // (per_row * np.dtype(kind).itemsize)
    shape = (n_rows, per_row) if name == "features" else (n_rows, 28, 28)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy_header(kind, shape))
        for _ in range(n_rows * per_row * np.dtype(kind).itemsize // 10**6):
            file.write(bytes(10**6))
    return Source(str(path))


def npz_odd(folder: Path, chance: Random) -> Source:
    """Types and shapes nobody expects."""
    path = folder / "odd.npz"
    kinds = (
        "|b1",
        "<f2",
        "<c16",
        "<M8[s]",
        "<U3",
        "|S3",
        ">i8",
        "<f8",
        "<u8",
        "|V4",
        "[('a','<i4')]",
    )
    shapes = ((), (0,), (4,), (4, 1), (4, 0), (0, 3), (4, 3), (1, 4, 3), (4, 2, 2, 3), (4, 2, 2, 5))
    names = ("images", "features", "candidates", "labels", "ids", "class_names", "split")
    with zipfile.ZipFile(path, "w") as archive:
        for name in chance.sample(names, chance.randint(2, 6)):
            kind, shape = chance.choice(kinds), chance.choice(shapes)
            size = int(np.prod(shape)) * np.dtype(eval(kind) if kind[0] == "[" else kind).itemsize
            content = npy_header(kind, shape) + chance.randbytes(size)
            archive.writestr(f"{name}.npy", content)
    return Source(str(path))


def npy_header(kind: str, shape: tuple[int, ...]) -> bytes:
    descr = kind if kind[0] == "[" else repr(kind)
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(-(len(text) + 11) % 64 + len(text)) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def npy_lie(folder: Path, chance: Random) -> Source:
    source, path = with_candidates(folder, "lie.npy")
    shape = chance.choice(((10**9, 3), (4, 10**12), (2**62, 2**62), (-4, 3), (4, 3, 0), (True, 3)))
    kind = chance.choice(("|b1", "<f8", "<U4", "|O", "<c8", "[('a','<i4')]"))
    path.write_bytes(npy_header(kind, shape) + mask().tobytes() * 8)
    return source


def idx_bomb(folder: Path, chance: Random) -> Source:
    """A header and zeros: more is announced than there is, or it is all there."""
    root = folder / "digits"
    root.mkdir()
    n_images = chance.choice((10**5, 2**32 - 1))
    sides = chance.choice(((28, 28), (2**16, 2**16), (0, 5), (2**32 - 1, 2**32 - 1)))
    header = struct.pack(">4I", 0x0803, n_images, *sides)
    there = 78_400_000 if sides == (28, 28) and n_images == 10**5 else 10**6
    with gzip.open(root / "train-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(header)
        for _ in range(there // 10**6):
            file.write(bytes(10**6))
        file.write(bytes(there % 10**6))
    labels = struct.pack(">2I", 0x0801, n_images) + bytes(1000)
    (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return Source(str(root))


def mat_bomb(folder: Path, chance: Random) -> Source:
    """A sparse matrix of a wild shape, or zeros, at the top or in a struct."""
    from scipy.io import savemat
    from scipy.sparse import coo_matrix

    path = folder / "bomb.mat"
    side = chance.choice((10**5, 10**6, 10**7))
    which = chance.randrange(4)
    data, sets = np.eye(4), mask() * 1.0
    if which == 0:
        data = coo_matrix(([1.0], ([3], [0])), shape=(4, side)).tocsc()
    elif which == 1:
        side = min(side, 10**6)
        sets = coo_matrix(([1.0], ([0], [0])), shape=(side, 3)).tocsc()
        data = coo_matrix(([1.0], ([0], [0])), shape=(side, 20000)).tocsc()
    else:
        data = np.zeros((4, 12_000_000), chance.choice((np.float64, np.uint8)))
    content = {"data": data, "partial_target": sets}
    savemat(path, {"all": content} if which == 3 else content, do_compression=True)
    return Source(str(path))


def mat_wild(folder: Path, chance: Random) -> Source:
    """Sizes in element headers that no file has."""
    source = mat_plain(folder, chance.choice(("", "lost")), compress=False)
    path = Path(source.source)
    data = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 3)):
        place = 128 + 4 * chance.randrange((len(data) - 132) // 4)
        data[place : place + 4] = struct.pack("<I", chance.choice(WILD) % 2**32)
    path.write_bytes(data)
    return source


def parquet_bomb(folder: Path, chance: Random) -> Source:
    """Columns of one value a million times, or of one image a thousand times."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "train.parquet"
    which = chance.randrange(5)
    n_rows = 200_000
    label = pa.array(np.zeros(n_rows, np.int64))
    if which == 0:  # long texts
        wide = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n_rows, np.int32)), ["x" * 9000])
        table = pa.table({"id": wide, "label": label, "features": [[1.0]] * n_rows})
    elif which == 1:  # long lists of nothing
        nothing = pa.ListArray.from_arrays(
            pa.array(np.arange(0, 1001 * 2000, 2000, np.int32)), pa.nulls(1000 * 2000, pa.int64())
        )
        table = pa.table({"candidates": nothing, "features": [[1.0]] * 1000})
    elif which == 2:  # wide vectors
        wide = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(4 * 10**7, np.float32)), 10**4)
        table = pa.table({"features": wide, "label": label[:4000]})
    elif which == 3:  # one large image, again and again
        n_rows = 300
        image = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(n_rows, np.int32)), pa.array([bytes(10**6)], pa.binary())
        )
        table = pa.table({"image": image.cast(pa.binary()), "label": label[:n_rows]})
    else:
        n_rows = 3 * 10**6
        table = pa.table({"features": pa.array(np.zeros(n_rows)), "label": np.zeros(n_rows, int)})
    pq.write_table(table, path, compression="zstd")
    return Source(str(path))


def odd_columns() -> dict[str, Any]:
    """Columns of four rows, of types that a reader may or may not expect."""
    import pyarrow as pa

    return {
        "null": pa.nulls(4),
        "text": pa.array(["a.png", "b", None, ""]),
        "ints": pa.array([0, 1, None, -5]),
        "floats": pa.array([0.5, float("nan"), None, 1e300]),
        "lists": pa.array([[0], None, [], [1, None]]),
        "deep": pa.array([[[0]], [[1], []], None, []]),
        "structs": pa.array([{"bytes": png(0), "path": "/etc/passwd"}, None, {"bytes": b""}, {}]),
        "twice": pa.StructArray.from_arrays([pa.array([b"x"] * 4)] * 2, ["bytes", "bytes"]),
        "binary": pa.array([png(0), b"", None, png(1)]),
        "times": pa.array([0, 1, 2, None], pa.timestamp("ns", "UTC")),
        "decimals": pa.array([1, 2, 3, None], pa.decimal128(38, 2)),
        "dictionary": pa.array(["a", "b", "a", None]).dictionary_encode(),
        "bools": pa.array([True, False, None, True]),
        "maps": pa.array([[("a", 1)], [], None, []], pa.map_(pa.string(), pa.int64())),
        "half": pa.array(np.ones(4, np.float16)),
        "vectors": pa.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0]]),
        "fixed": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(8)), 2),
        "months": pa.array([1, 2, 3, 4], pa.duration("s")),
        "huge": pa.array([2**64 - 1, 0, 1, 2], pa.uint64()),
    }  # fmt: skip


def parquet_odd(folder: Path, chance: Random) -> Source:
    """A column twice, and columns of types nobody expects."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / chance.choice(("train.parquet", "train.arrow", "votes.parquet"))
    names = (
        "image",
        "label",
        "candidates",
        "features",
        "id",
        "split",
        "annotator",
        "truth",
        "\ud83d",
    )
    columns = odd_columns()
    n_columns = chance.randint(1, 6)
    chosen = [chance.choice(names[:-1]) for _ in range(n_columns)]
    kinds = [columns[chance.choice(sorted(columns))] for _ in chosen]
    if path.name == "votes.parquet":
        chosen += ["image", "annotator", "label"]
        kinds += [columns["text"], columns["text"], columns["ints"]]
    table = pa.table(kinds, chosen)
    features = chance.choice(
        ("[]", '{"info": []}', '{"info": {"features": {"label": {"names": 5}}}}')
    )
    notes = chance.choice(("{}", '{"class_names": [[1], {}]}', "[" * 5000))
    table = table.replace_schema_metadata({"huggingface": features, "cad_studio": notes})
    if path.suffix == ".arrow":
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    else:
        try:
            pq.write_table(table, path)
        except (pa.ArrowException, ValueError):
            path.write_bytes(b"PAR1PAR1")
    return Source(str(path))


def arrow_bomb(folder: Path, chance: Random) -> Source:
    """A compressed Arrow file of zeros, in many rows or in a few wide ones."""
    import pyarrow as pa

    path = folder / "train.arrow"
    zeros = pa.array(np.zeros(chance.choice((5 * 10**7, 10**6))))
    if chance.random() < 0.5:
        vectors = pa.FixedSizeListArray.from_arrays(zeros, 10**5)
        table = pa.table({"features": vectors, "label": [0] * len(vectors)})
    else:
        table = pa.table({"features": zeros, "label": zeros})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_stream(file, table.schema, options=options) as writer,
    ):
        writer.write_table(table)
    return Source(str(path))


def tensor_kinds(folder: Path, chance: Random) -> Source:
    """Tensors that are no matrix of numbers, and sparse ones of wild shapes."""
    import torch

    source, path = with_candidates(folder, "kinds.pt")
    ones = torch.ones(4, 3)
    kinds: list[Callable[[], object]] = [
        lambda: torch.empty(4, 3, device="meta"),
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        lambda: torch.quantize_per_tensor(ones, 0.1, 0, torch.quint8),
        lambda: ones.to(torch.float8_e4m3fn),
        lambda: ones.to(torch.float8_e5m2),
        lambda: torch.sparse_coo_tensor([[0], [0]], [1.0], (10**6, 10**6)),
        lambda: torch.sparse_coo_tensor([[0], [0]], [1.0], (10**9, 3)),
        lambda: torch.sparse_coo_tensor([[0], [0]], [1.0], (4, 3)),
        lambda: ones.to_sparse_csr(),
        lambda: ones[:2, :2].to_sparse_bsr(1),
        lambda: torch.ones(1).expand(10**10, 3),
        lambda: torch.ones(1).expand(4, 10**10),
        lambda: ones.to(torch.complex64),
        lambda: {"a": ones, "b": ones},
        lambda: [ones],
        lambda: torch.nn.Linear(2, 2).state_dict(),
        lambda: torch.nn.Linear(2, 2),
        lambda: torch.zeros(0, 3),
        lambda: torch.tensor(1.0),
        lambda: torch.Generator().get_state(),
        lambda: torch.zeros(4, 3, dtype=torch.bits8) if hasattr(torch, "bits8") else ones,
        lambda: torch.full((4, 3), float("nan"), dtype=torch.bfloat16),
    ]
    is_new = chance.random() < 0.7
    try:
        torch.save(chance.choice(kinds)(), path, _use_new_zipfile_serialization=is_new)
    except (RuntimeError, NotImplementedError, TypeError, AttributeError):
        torch.save(ones, path)
    if chance.random() < 0.3 and zipfile.is_zipfile(path):
        path.write_bytes(_rezipped(path.read_bytes(), chance))
    return source


def pickle_bomb(folder: Path, chance: Random) -> Source:
    """Pickles that make much out of little, or take for ever."""
    source, path = with_candidates(folder, "bomb.pkl")
    nested: object = (1,)
    for _ in range(60):
        nested = (nested, nested)
    many = [0] * 20000
    copies = b"".join(b"cbuiltins\nlist\nh\x00\x85R" for _ in range(20000))
    programs = [
        lambda: pickle.dumps({0: nested}),
        lambda: pickle.dumps({row: [many] * 2000 for row in range(4)}),
        lambda: pickle.dumps({10**4000: [[1]], 0: [[1]]}),
        lambda: pickle.dumps({0: [[10**4400]]}),
        lambda: pickle.dumps({0: [[10**5000 - 1]]}),
        lambda: b"\x80\x04}(K\x00](" + b"]" * 10**6 + b"eu.",
        lambda: b"\x80\x04}(K\x00](" + b"\x8f" * 10**6 + b"eu.",
        lambda: b"\x80\x04(" + b"h\x00" * 1000 + b"l.",
        lambda: b"\x80\x04" + pickle.dumps(many, 4)[2:-1] + b"q\x00(" + copies + b"l.",
        lambda: b"\x80\x04X\xff\xff\xff\x7fabc.",
        lambda: b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"abc.",
        lambda: b"\x80\x04j" + struct.pack("<I", 2**32 - 1) + b".",
        lambda: b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"].",
        lambda: _keyed(nested),
        lambda: b"(" * 10**5 + b"." ,
        lambda: b"]" + b"\x8c\x01a\x94" * 10**5 + b".",
    ]  # fmt: skip
    path.write_bytes(chance.choice(programs)())
    return source


def _keyed(nested: object) -> bytes:
    """A dict with a key that takes for ever to hash, which Python itself cannot write."""
    return b"\x80\x04}" + pickle.dumps(nested, 4)[2:-1] + b"]s."


def zip_bomb(folder: Path, chance: Random) -> Source:
    """Tables and images in a zip that unpack to far more than they weigh."""
    path = folder / "bomb.zip"
    row = chance.choice((b"\n", b"a\n", b"0.png,a\n", b"{}\n", b'{"file_name":[[],[],[]]}\n'))
    name = "metadata.jsonl" if row[:1] == b"{" else "metadata.csv"
    head = b"" if row[:1] == b"{" else b"file_name,label\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(name, "w") as file:
            file.write(head)
            for _ in range(chance.choice((10, 100))):
                file.write(row * (10**6 // len(row)))
        archive.writestr("0.png", png(0))
        archive.writestr(chance.choice(("../x.png", "a/b.png", "/etc/x.png")), png(0))
    return Source(str(path))


def image_bomb(folder: Path, chance: Random) -> Source:
    """Images that announce, or unpack to, far more pixels than they weigh."""
    root = folder / "shots"
    for name in "ab":
        (root / name).mkdir(parents=True)
    width, height = chance.choice(((50000, 50000), (2**31 - 1, 1), (7000, 7000), (0, 5)))
    start = struct.pack(">2I5B", width, height, 8, chance.choice((0, 2, 3, 6)), 0, 0, 0)
    body = zlib.compress(bytes(10**6), 1) * 2
    chunks = ((b"IHDR", start), (b"IDAT", body), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in chunks
    )
    if chance.random() < 0.3:
        data = b"P6 %d %d 255\n" % (width, height) + bytes(1000)
    elif chance.random() < 0.3:
        data = b"GIF89a" + struct.pack("<2H", width % 2**16, height % 2**16) + data[14:60]
    (root / "a" / "big.png").write_bytes(data)
    (root / "b" / "0.png").write_bytes(png(0))
    return Source(str(root))


def table_bomb(folder: Path, chance: Random) -> Source:
    """Candidate tables of lines, cells or brackets without end."""
    source, path = with_candidates(folder, chance.choice(("bomb.csv", "bomb.jsonl")))
    texts = (
        b"id,candidates\n" + b"a,b\n" * 10**6,
        b"\n" * 10**7,
        b"," * 10**7,
        b'id,candidates\n"' + b"x" * 10**6,
        b"[" * 10**6,
        b'{"a":' * 10**5,
        b'{"id": 1e400, "candidates": [1e400, NaN, 123456789012345678901234567890]}',
        b'{"id": "train/00000", "candidates": ' + b"1" * 10**5 + b"}",
        b"\xff\xfe" * 100,
        b"id,candidates\ntrain/00000,\"[" + b"[" * 10**5 + b"\"\n",
        b"\0" * 10**6,
    )  # fmt: skip
    path.write_bytes(chance.choice(texts))
    return source


def votes_bomb(folder: Path, chance: Random) -> Source:
    """Votes of one letter, in a table or a Parquet file of a few kB."""
    path = folder / chance.choice(("votes.csv", "votes.parquet"))
    n_rows = 2 * 10**6
    if path.suffix == ".csv":
        path.write_bytes(b"image,annotator,label\n" + b",,\n" * n_rows)
        return Source(str(path))
    import pyarrow as pa
    import pyarrow.parquet as pq

    one = pa.array(["x" * 100]).dictionary_encode().dictionary
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n_rows, np.int32)), one)
    names = ["image", "annotator", "label"]
    pq.write_table(pa.table([column.cast(pa.string())] * 3, names), path)
    return Source(str(path))


def json_bomb(folder: Path, chance: Random) -> Source:
    """Exports of annotation tools in which every few bytes are a record."""
    kind = chance.choice(("tasks", "records", "coco", "fiftyone"))
    n_records = 3 * 10**5
    if kind == "fiftyone":
        (folder / "metadata.json").write_text("{}")
        (folder / "samples.json").write_bytes(b'{"samples":[' + b"{}," * n_records + b"{}]}")
        return Source(str(folder))
    if kind == "coco":
        text = b'{"categories":[{"id":1,"name":"a"}],"annotations":[],"images":[%s{}]}'
        data = text % (b"{}," * n_records)
    else:
        first = b'"data":{},"annotations":' if kind == "tasks" else b'"fields":{},"responses":'
        data = b"[" + (b"{" + first + b"[]},") * (n_records // 8) + b"{" + first + b"[]}]"
    data = chance.choice((data, data, b'[{"annotations":' + b"[" * 10**6))
    path = folder / "bomb.json"
    path.write_bytes(data)
    return Source(str(path))


def xml_bomb(folder: Path, chance: Random) -> Source:
    """Images of a few bytes each, or entities that hold each other."""
    path = folder / "annotations.xml"
    inner = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 12))
    texts = (
        b"<annotations>" + b"<image/>" * 3 * 10**5 + b"</annotations>",
        b"<annotations>" + b"<a>" * 10**5,
        f'<!DOCTYPE x [<!ENTITY e0 "x">{inner}]><annotations>&e11;</annotations>'.encode(),
    )
    path.write_bytes(chance.choice(texts))
    return Source(str(path))


def yolo_bomb(folder: Path, chance: Random) -> Source:
    """Aliases in YAML that multiply, and lists of labels without end."""
    root = folder / "shapes"
    (root / "train" / "a").mkdir(parents=True)
    (root / "train" / "a" / "0.png").write_bytes(png(0))
    lines = ["a0: &a0 [x, x]"] + [f"a{at}: &a{at} [*a{at - 1}, *a{at - 1}]" for at in range(1, 40)]
    texts = ("\n".join([*lines, "names: *a39"]), "names: " + "[" * 5000, "names: [a, b]")
    (root / "data.yaml").write_text(chance.choice(texts))
    if chance.random() < 0.5:
        listed = b'{"0":{"path":"a/0.png","labels":[' + b'"a",' * 10**6 + b'"a"]}}'
        (root / "train" / "labels.json").write_bytes(listed)
    return Source(str(root))


BOMBS: dict[str, Maker] = {
    "JSON of tools": json_bomb,
    "XML of tools": xml_bomb,
    "YAML and lists": yolo_bomb,
    "votes without end": votes_bomb,
    "npz that announces much": npz_bomb,
    "npz of zeros": npz_zeros,
    "npz of odd types": npz_odd,
    "npy that lies": npy_lie,
    "IDX that announces much": idx_bomb,
    "MATLAB, sparse or zeros": mat_bomb,
    "MATLAB with wild sizes": mat_wild,
    "Parquet that repeats": parquet_bomb,
    "Parquet or Arrow of odd types": parquet_odd,
    "Arrow of zeros": arrow_bomb,
    "tensors of odd kinds": tensor_kinds,
    "pickles": pickle_bomb,
    "zip that unpacks to much": zip_bomb,
    "images that announce much": image_bomb,
    "tables without end": table_bomb,
}
LARGE = {
    "votes without end",
    "JSON of tools",
    "XML of tools",
    "npz of zeros",
    "MATLAB, sparse or zeros",
    "Parquet that repeats",
    "Arrow of zeros",
}
"""Bombs that take a second to make."""


def hostile(folder: Path, chance: Random, bomb_share: float = 0.2) -> tuple[str, Source]:
    """A damaged source or a bomb, and what it was."""
    if chance.random() >= bomb_share:
        return damaged(folder, chance)
    name = chance.choice(sorted(BOMBS))
    if name in LARGE and chance.random() < 0.8:
        name = chance.choice(sorted(BOMBS.keys() - LARGE))
    return name, BOMBS[name](folder, chance)
