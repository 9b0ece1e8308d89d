"""Candidate sets from a file of their own."""

import json
import os
import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.datasets._plain_pickle import load_plain_pickle
from cad_studio.datasets.candidate_file import apply_candidates
from cad_studio.datasets.checks import check
from tests.datasets.sources import IDS, NAMES, SETS, TRUTH, mask, metadata_rows, named, write_csv


def labelled(n_test: int = 0) -> SourceDataset:
    return SourceDataset(
        class_names=list(NAMES),
        ids=IDS + [f"test/{row}" for row in range(n_test)],
        splits=["train"] * 4 + ["test"] * n_test,
        truth=np.array(TRUTH + [1] * n_test, np.int32),
    )


def write(path: Path) -> Path:
    if path.suffix == ".npy":
        np.save(path, mask().astype(np.int64))
    elif path.name == "by_id.npz":
        np.savez(path, candidates=mask()[::-1], ids=np.array(IDS[::-1]))
    elif path.suffix == ".npz":
        np.savez(path, candidates=mask())
    elif path.suffix == ".pt":
        import torch

        torch.save(torch.from_numpy(mask()), path)
    elif path.name == "exported.csv":
        write_csv(path, [metadata_rows()[0], *metadata_rows()[:0:-1]])
    elif path.name == "matrix.csv":
        write_csv(path, [NAMES[::-1], *mask()[:, ::-1].astype(int).tolist()])
    elif path.suffix == ".jsonl":
        lines = [
            json.dumps({"id": i, "candidates": named(s)}) for i, s in zip(IDS, SETS, strict=True)
        ]
        path.write_text("\n".join(lines))
    else:
        path.write_bytes(pickle.dumps({row: [members] for row, members in enumerate(SETS)}))
    return path


FILES = ["a.npy", "a.npz", "by_id.npz", "a.pt", "exported.csv", "matrix.csv", "a.jsonl", "a.pkl"]


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_sets(name, tmp_path):
    found = apply_candidates(labelled(), write(tmp_path / name), None)
    assert found.candidates.lists() == SETS
    assert check(found).is_clean


@pytest.mark.parametrize("protocol", range(6))
def test_votes_of_a_pickle_are_merged_by_union_or_by_the_largest(protocol, tmp_path):
    value = {
        0: [[0], [0, 1], [1, 2]],
        1: [[np.int64(2)], []],
        2: [[1], [1]],
        3: [(0, 1, 2), {0}],
    }
    path = tmp_path / "votes.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    union = apply_candidates(labelled(), path, "aggregate").candidates
    assert union.lists() == [[0, 1, 2], [2], [1], [0, 1, 2]]
    # Of the two sets of size two, the first counts.
    assert apply_candidates(labelled(), path, "vaguest").candidates.lists()[0] == [0, 1]


@pytest.mark.parametrize("name", ["a.npy", "a.pkl"])
def test_file_for_train_leaves_the_labels_of_test(name, tmp_path):
    found = apply_candidates(labelled(n_test=3), write(tmp_path / name), None)
    assert found.candidates.lists() == [*SETS, [1], [1], [1]]
    assert check(found).is_clean


def test_missing_sets_and_unknown_classes_are_problems_of_their_samples(tmp_path):
    path = tmp_path / "votes.pkl"
    path.write_bytes(pickle.dumps({0: [[0]], 1: [[7]], 3: [[]]}))
    found = {(p.kind, p.row): p.message for p in apply_candidates(labelled(), path, None).problems}
    assert set(found) == {("unknown-class", 1), ("length-mismatch", 2), ("empty-set", 3)}
    assert "votes.pkl, row 1: 7 is not one of the 3 classes" in found["unknown-class", 1]


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("name", ["sets.csv", "sets.jsonl", "sets.tsv"])
def test_a_blank_cell_is_an_empty_set_and_a_problem_of_its_sample(name, tmp_path):
    """A null in JSON lines ended in a traceback."""
    path = tmp_path / name
    rows = [(sample, NAMES[0] if row else None) for row, sample in enumerate(IDS)]
    if name.endswith("jsonl"):
        lines = [json.dumps({"id": sample, "candidates": cell}) for sample, cell in rows]
    else:
        separator = "\t" if name.endswith("tsv") else ","
        lines = [separator.join(("id", "candidates"))]
        lines += [separator.join((sample, cell or "")) for sample, cell in rows]
    path.write_text("\n".join(lines))
    found = apply_candidates(labelled(), path, None)
    assert [(each.kind, each.row) for each in found.problems] == [("empty-set", 0)]


@pytest.mark.parametrize("point", [0x110000, 0xFFFFFFFF, 0xD800])
@pytest.mark.parametrize("name", ["ids.npz", "votes.npz", "votes.npy"])
def test_texts_of_no_characters_are_damage(name, point, tmp_path):
    """NumPy takes any number for a character; Python fell over them with a SystemError."""
    path = tmp_path / name
    texts = np.array(IDS if name == "ids.npz" else [[NAMES[0]]] * len(IDS))
    texts.reshape(-1)[:1].view(np.uint32)[0] = point
    if name == "ids.npz":
        np.savez(path, candidates=mask(), ids=texts)
    elif name == "votes.npz":
        np.savez(path, votes=texts)
    else:
        np.save(path, texts)
    with pytest.raises(DatasetFormatError, match="no characters"):
        apply_candidates(labelled(), path, None)


@pytest.mark.parametrize("shape", [(4, 10**10), (10**10, 3), (10**9, 1)])
def test_a_tensor_that_repeats_what_it_stores_is_refused_before_it_is_gone_through(shape, tmp_path):
    """Of 350 bytes, such a one was looked through for minutes."""
    import torch

    path = tmp_path / "sets.pt"
    torch.save(torch.ones(1).expand(shape), path)
    with pytest.raises(DatasetFormatError, match=r"would take|rows"):
        apply_candidates(labelled(), path, None)


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_that_would_run_code_is_refused_and_not_run(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({0: [[Evil()]]}, protocol=protocol))
    with pytest.raises(DatasetFormatError, match=r"evil\.pkl.*mkdir.*nothing was run"):
        apply_candidates(labelled(), path, None)
    assert not (tmp_path / "pwned").exists()


def test_tensor_file_that_would_run_code_is_refused_and_not_run(tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    torch.save({"candidates": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(DatasetFormatError, match=r"evil\.pt.*Nothing in it was run"):
        apply_candidates(labelled(), tmp_path / "evil.pt", None)
    assert not (tmp_path / "pwned").exists()


def test_object_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[Evil()]], object), allow_pickle=True)
    with pytest.raises(DatasetFormatError, match=r"a\.npy holds Python objects"):
        apply_candidates(labelled(), tmp_path / "a.npy", None)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.pt", "a.pkl", "exported.csv", "a.jsonl"])
def test_truncated_file_is_refused_by_name(name, tmp_path):
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * 2 // 3])
    with pytest.raises(DatasetFormatError, match=path.name):
        apply_candidates(labelled(), path, None)


def test_wrong_sizes_and_values_are_named(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, mask()[:3])
    with pytest.raises(DatasetFormatError, match=r"3 rows, the source has 4 samples \(train 4\)"):
        apply_candidates(labelled(), path, None)
    np.save(path, mask()[:, :2])
    with pytest.raises(DatasetFormatError, match="2 columns, the source has 3 classes"):
        apply_candidates(labelled(), path, None)
    np.save(path, mask() * 0.5)
    with pytest.raises(DatasetFormatError, match=r"first: 0\.5 in row 0, column 0"):
        apply_candidates(labelled(), path, None)
    with pytest.raises(SettingError, match="one set for each sample"):
        apply_candidates(labelled(), path, "vaguest")
    with pytest.raises(SettingError, match="Closest: 'vaguest'"):
        apply_candidates(labelled(), path, "vaguestt")
    with pytest.raises(DatasetFormatError, match="does not exist"):
        apply_candidates(labelled(), tmp_path / "b.npy", None)


def nested(depth: int) -> tuple[object, ...]:
    value: tuple[object, ...] = (1,)
    for _ in range(depth):
        value = (value, value)
    return value


def spelled(value: object) -> bytes:
    """A value in the middle of a pickle."""
    return pickle.dumps(value, 4)[2:-1]


HOSTILE = {
    "a key that takes for ever to hash": b"\x80\x04}" + spelled(nested(60)) + b"]s.",
    "a member that takes for ever to hash": b"\x80\x04\x8f(" + spelled(nested(60)) + b"\x90.",
    "a value without end": pickle.dumps({0: nested(60)}),
    "a number of 5,000 digits as row": pickle.dumps({10**5000: [[1]]}),
    "a number of 5,000 digits as label": pickle.dumps({0: [[10**5000]]}),
    "one list copied again and again": (
        b"\x80\x04" + spelled([0] * 1000) + b"q\x00("
        + b"cbuiltins\nlist\nh\x00\x85R" * 20000 + b"l."
    ),
    "one list for every annotator": pickle.dumps({row: [[0] * 10000] * 20000 for row in range(4)}),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_pickles_that_make_much_out_of_little_are_given_up(name, tmp_path):
    """Some took gigabytes, some would have hashed or printed until the end of days."""
    path = tmp_path / "bomb.pkl"
    path.write_bytes(HOSTILE[name])
    with suppress(DatasetFormatError):
        assert not check(apply_candidates(labelled(), path, None)).is_clean


SHARED = [0] * 20_000
ITSELF: list = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    "held", [[SHARED] * 2_000, {0: [[SHARED] * 100] * 100}, {0: ITSELF}, ([SHARED] * 9,) * 9]
)
def test_a_pickle_that_repeats_its_parts_is_refused_before_it_is_gone_through(tmp_path, held):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(pickle.dumps(held))
    with pytest.raises(DatasetFormatError, match=r"bomb\.pkl"):
        load_plain_pickle(path)


def test_a_pickle_that_names_one_set_for_several_samples_is_read(tmp_path):
    path = tmp_path / "shared.pkl"
    shared = [0, 2]
    path.write_bytes(pickle.dumps({row: [shared, [1]] for row in range(500)}))
    assert load_plain_pickle(path)[499] == [[0, 2], [1]]
