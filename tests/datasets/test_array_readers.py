"""NumPy, MATLAB, IDX and votes: what the contract test leaves open."""

import gzip
import struct

import numpy as np
import pytest
from scipy.io import savemat

from cad_studio.core.errors import DatasetFormatError, ResourceError
from cad_studio.core.progress import Silent
from cad_studio.datasets import _memory
from cad_studio.datasets._base import ReadOptions, read_source
from cad_studio.datasets.checks import check
from cad_studio.datasets.idx import FASHION_CLASSES
from tests.datasets.sources import SETS, TRUTH, annotator_votes, idx_bytes, mask, png, write_csv


def read(path, **options):
    return read_source(str(path), ReadOptions(**options), Silent())


def test_features_with_nan_are_problems_of_their_samples(tmp_path):
    features = np.zeros((4, 3))
    features[2, 1] = np.nan
    features[3, 0] = 1e300  # beyond float32
    split = np.array(["train", "train", "test", "test"])
    np.savez(tmp_path / "a.npz", features=features, candidates=mask(), split=split)
    found = read(tmp_path / "a.npz")
    assert found.ids == ["train/00000", "train/00001", "test/00002", "test/00003"]
    assert found.images is None
    report = check(found)
    assert [(f.kind, f.count, f.first_row) for f in report.findings if f.blocking] == [
        ("non-finite", 2, 2)
    ]
    assert read(tmp_path / "a.npz", splits=("train",)).candidates.lists() == SETS[:2]


def test_archives_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    images = np.zeros((4, 2, 2), np.uint8)
    for arrays, message in [
        ({"images": images, "labels": [0, 1]}, "images has 4 rows, labels has 2"),
        ({"images": images * 1.0, "labels": TRUTH}, "images must be uint8"),
        ({"labels": TRUTH}, "neither images nor features"),
        ({"images": images, "labels": np.array([{}] * 4)}, "holds Python objects"),
        ({"images": images, "candidates": mask() * 2}, "neither 0 nor 1"),
        ({"images": images, "candidates": mask(), "class_names": ["a", "b"]}, "3 columns, but"),
        ({"images": images, "candidates": np.ones((4, 1001), bool)}, "at most 1,000"),
        ({"images": images, "labels": [0] * 4}, "only one class"),
        ({"images": images}, "neither candidates nor labels"),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(DatasetFormatError, match=f"a.npz.*{message}"):
            read(path)
    monkeypatch.setattr(_memory, "memory_limit", lambda: 10)
    with pytest.raises(DatasetFormatError, match=r"would take .* of memory; 0 MiB may be used"):
        read(path)


def test_one_sample_is_a_dataset(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.ones((1, 2)), candidates=mask()[:1])
    assert read(tmp_path / "a.npz").candidates.lists() == [[0, 1]]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("kind", ["plain", "struct", "birdsong", "vector"])
def test_matlab_matrices_lie_either_way_round(kind, transposed, tmp_path):
    data = np.random.default_rng(0).normal(size=(4, 6))
    partial, target = mask() * 1.0, np.eye(3)[TRUTH]
    if transposed:
        partial, target = partial.T, target.T
    content = {"data": data, "partial_target": partial, "target": target}
    if kind == "struct":
        content = {"lost": content}
    if kind == "birdsong":
        content = {"X": data, "Y_P": partial, "Y": target}
    if kind == "vector":
        content["target"] = np.array(TRUTH)[:, None] + 1
    savemat(tmp_path / "a.mat", content)
    found = read(tmp_path / "a.mat")
    assert found.candidates.lists() == SETS
    assert found.truth.tolist() == TRUTH
    assert np.allclose(found.features, data)


def test_matlab_file_without_candidates_or_from_version_73_is_refused(tmp_path):
    savemat(tmp_path / "a.mat", {"data": np.ones((4, 2))})
    with pytest.raises(DatasetFormatError, match=r"a\.mat has no candidate sets: .* found data"):
        read(tmp_path / "a.mat")
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(header + b"\x89HDF\r\n\x1a\n".ljust(512, b"\0"))
    with pytest.raises(DatasetFormatError, match=r"7\.3"):
        read(tmp_path / "a.mat")


def test_idx_folder_called_fashion_has_its_class_names(tmp_path):
    root = tmp_path / "fashion-mnist"
    root.mkdir()
    for part, n_samples in (("train", 3), ("t10k", 2)):
        images = idx_bytes(np.zeros((n_samples, 2, 2)))
        (root / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        labels = gzip.compress(idx_bytes(np.arange(n_samples)))
        (root / f"{part}-labels-idx1-ubyte.gz").write_bytes(labels)
    found = read(root)
    assert tuple(found.class_names) == FASHION_CLASSES
    assert found.splits == ["train"] * 3 + ["test"] * 2
    (root / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.arange(3))))
    with pytest.raises(DatasetFormatError, match=r"holds 2 images, t10k-labels.* 3 labels"):
        read(root)


def test_idx_header_that_announces_too_much_is_refused(tmp_path):
    data = idx_bytes(np.zeros((2, 2, 2)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(2)))
    for wild, message in [
        (data[:4] + b"\xff" * 12, "would take .* of memory"),
        (data[:7] + b"\x09" + data[8:], "holds 8 of the 36 bytes"),
        (data + b"x", "more than the 8 bytes"),
        (b"\0\0\x0d\x03" + data[4:], "no IDX file of bytes"),
        (data[:9], "cut short within its header"),
    ]:
        (tmp_path / "train-images-idx3-ubyte").write_bytes(wild)
        with pytest.raises(DatasetFormatError, match=f"train-images-idx3-ubyte.*{message}"):
            read(tmp_path)


def test_votes_are_kept_and_their_images_stay_inside(tmp_path):
    made = annotator_votes(tmp_path, False)
    votes = read_source(made.source, made.options, Silent()).votes
    assert votes.annotators == ["anna 0", "anna 1", "anna 2"]
    assert votes.sample.tolist() == [0, 0, 1, 1, 2, 2, 2, 3]
    assert votes.annotator.tolist() == [0, 1, 0, 1, 0, 1, 2, 0]
    assert votes.label.tolist() == [0, 1, 1, 2, 0, 1, 2, 2]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.png").write_bytes(png(0))
    (tmp_path / "2.png").write_bytes(png(0))
    rows = [["image", "annotator", "label"], ["1.png", "a", "x"], ["../2.png", "a", "y"]]
    rows += [["3.png", "b", "x"], ["1.png", "b", ""], ["1.png", "b", "y"]]
    found = read(write_csv(tmp_path / "in" / "votes.csv", rows))
    assert found.candidates.lists() == [[0, 1], [1], [0]]
    told = [(p.kind, p.row) for p in found.problems]
    assert told == [("unreadable-image", 1), ("unreadable-image", 2)]
    assert {item.kind: item.count for item in found.understanding.left_out} == {
        "blank votes; their images stay": 1
    }
    with pytest.raises(OSError, match="outside the folder"):
        found.images.read(1)


def test_torchvision_without_a_network_says_what_to_do(tmp_path, monkeypatch):
    from cad_studio.core.optional import require

    datasets = require("torchvision.datasets", install="torchvision", purpose="The test")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(datasets.CIFAR10, "download", refuse)
    with pytest.raises(ResourceError, match=r"CIFAR10 is not in .*no route.*copy the files"):
        read("torchvision:CIFAR10", cache_dir=str(tmp_path))
    with pytest.raises(DatasetFormatError, match="Closest: 'CIFAR100'"):
        read("torchvision:CIFAR1000", cache_dir=str(tmp_path))


@pytest.mark.parametrize("kind", [0, 99, 255])
def test_damage_that_its_library_does_not_foresee_is_told_as_damage(tmp_path, kind):
    """SciPy ended in an UnboundLocalError where a struct holds an array of no known class."""
    path = tmp_path / "a.mat"
    savemat(path, {"s": {"data": np.ones((4, 3)), "partial_target": mask()}})
    data = bytearray(path.read_bytes())
    flags = struct.pack("<II", 6, 8)
    inner = data.index(flags, data.index(flags) + 8)
    data[inner + 8] = kind
    path.write_bytes(data)
    with pytest.raises(DatasetFormatError, match="is damaged"):
        read(path)
