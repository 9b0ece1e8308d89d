"""Files named by content."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cad_studio.core.errors import DamageError
from cad_studio.store.blobs import Blobs

ARRAYS = [
    np.arange(12, dtype=np.int32).reshape(3, 4),
    np.zeros((0, 3), np.uint8),
    np.array(2.5),
    np.array([True, False]),
    np.random.default_rng(0).normal(size=(300, 70)).astype(np.float32),  # large: mapped
    np.arange(24, dtype=np.int16).reshape(4, 6).T,  # not contiguous
]


@pytest.fixture
def blobs(tmp_path):
    (tmp_path / "blobs").mkdir()
    return Blobs(tmp_path / "blobs", tmp_path / "scratch")


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_come_back_as_they_were(blobs, array):
    found = blobs.load_array(blobs.save_array(array))
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


def test_large_arrays_are_mapped_and_cannot_be_changed(blobs):
    found = blobs.load_array(blobs.save_array(ARRAYS[4]))
    assert isinstance(found, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


@pytest.mark.parametrize(
    "value", [["ü", "名前", "a|b\n\"'"], {"lone": "\udcff\ud800"}, [], [1, None, 0.5, True]]
)
def test_json_comes_back_as_it_was_even_with_undecodable_file_names(blobs, value):
    assert blobs.load_json(blobs.save_json(value)) == value


def test_equal_content_has_one_name_and_one_file(blobs, tmp_path):
    names = {blobs.save_array(np.arange(5)) for _ in range(3)}
    assert len(names) == 1
    assert len(files(tmp_path / "blobs")) == 1
    assert blobs.save_array(np.arange(6)) not in names
    assert blobs.save_array(np.arange(5, dtype=np.int32)) not in names


def test_the_name_is_the_hash_of_the_file(blobs):
    name = blobs.save_json(["x"])
    data = blobs.path(name).read_bytes()
    assert name == hashlib.sha256(data).hexdigest()[:40] + ".json"
    assert blobs.has(name)
    assert not blobs.has(f"0{name[1:-5]}.json")


def test_nothing_is_left_of_a_file_whose_writing_failed(blobs, tmp_path):
    with pytest.raises(RuntimeError, match="half-way"), blobs.writing() as writer:  # noqa: PT012
        writer.write(b"half")
        raise RuntimeError("half-way")
    assert files(tmp_path) == []


def test_a_file_that_was_not_kept_is_gone(blobs, tmp_path):
    with blobs.writing() as writer:
        writer.write(b"looked at and dropped")
        assert len(files(tmp_path / "scratch")) == 1
    assert files(tmp_path) == []


def test_only_the_files_that_are_named_are_removed(blobs, tmp_path):
    used, unused = blobs.save_array(np.arange(5)), blobs.save_array(np.arange(50))
    size = blobs.path(unused).stat().st_size
    assert blobs.remove({unused, "00.npy"}) == size
    assert files(tmp_path / "blobs") == [blobs.path(used)]


def test_an_empty_file_maps_to_no_bytes(blobs):
    with blobs.writing() as writer:
        name = blobs.keep(writer, "bin")
    assert blobs.map_bytes(name, 0).shape == (0,)


def test_what_a_killed_process_left_is_removed_and_what_others_write_is_not(blobs, tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = tmp_path / "scratch" / f"{ended.pid}-left"
    with blobs.writing() as writer:
        left.write_bytes(b"half")
        blobs.clear_scratch()
        assert files(tmp_path / "scratch") == [writer.scratch]
        writer.write(b"whole")
        assert blobs.has(blobs.keep(writer, "bin"))


def bytes_read():
    """How many this process asked the system for so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts are Linux's")
def test_a_large_array_is_mapped_without_being_read(blobs):
    """All of it was read first, at every look at a pair: 293 MB for nothing."""
    name = blobs.save_array(np.zeros(40 << 20, np.uint8))
    before = bytes_read()
    array = blobs.load_array(name)
    assert bytes_read() - before < 1 << 16
    assert isinstance(array, np.memmap)
    assert len(array) == 40 << 20


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts are Linux's")
def test_an_array_that_was_held_against_its_name_is_not_read_again(blobs):
    name = blobs.save_array(np.zeros(1 << 20, np.uint8))
    blobs.load_array(name)
    before = bytes_read()
    blobs.load_array(name)
    assert bytes_read() - before < 1 << 16


def test_a_large_array_is_mapped_once_until_its_file_is_another(blobs):
    """Every look at a pair mapped the features again, and found every page of them anew."""
    name = blobs.save_array(np.arange(100_000))
    first = blobs.load_array(name)
    assert blobs.load_array(name) is first
    file = blobs.path(name)
    whole = file.read_bytes()
    file.unlink()
    with pytest.raises(DamageError):
        blobs.load_array(name)
    file.write_bytes(whole)
    again = blobs.load_array(name)
    assert again is not first
    assert np.array_equal(again, first)
    blobs.remove([name])
    with pytest.raises(DamageError):
        blobs.load_array(name)
    assert not blobs._mapped


def test_what_another_process_deleted_is_not_kept_mapped(blobs):
    first, second = (blobs.save_array(np.arange(100_000) + each) for each in (0, 1))
    blobs.load_array(first)
    blobs.path(first).unlink()
    blobs.load_array(second)
    assert list(blobs._mapped) == [second]
