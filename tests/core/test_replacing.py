"""A file is there whole or not at all, and one helper sees to it."""

import errno
from pathlib import Path

import pytest

from cad_studio.core.errors import StorageError
from cad_studio.core.replacing import replacing

HOUSE = Path(__file__).parents[2] / "cad_studio"

OF_THEIR_OWN = {
    "core/replacing.py",
    "datasets/_addresses.py",  # a transfer that goes on where it was cut off
    "services/datasets/export_folders.py",  # a folder
    "services/diagnosis/predictions.py",  # a folder
    "services/training/travelling.py",  # members of a folder, put among others
    "training/checkpoint.py",  # a folder, and durable
    "store/backups.py",  # a full disk means no backup, not an error
    "store/blobs.py",  # named by its content once that is known
    "store/repair.py",  # moves what is there
}


def test_a_file_takes_its_place_when_all_went_well(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with replacing(target) as unfinished:
        unfinished.write_text("first")
        assert not target.exists()
    with replacing(target) as unfinished:
        unfinished.write_text("second")
        assert target.read_text() == "first"
    assert target.read_text() == "second"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (ValueError("of its own"), ValueError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (PermissionError(errno.EACCES, "no"), PermissionError),
        (OSError(errno.ENOSPC, "full"), StorageError),
        (RuntimeError("Error while serializing: I/O error: (os error 28)"), StorageError),
    ],
)
def test_what_goes_wrong_leaves_the_old_file_and_nothing_else(tmp_path, error, seen):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(seen), replacing(target, "Free some.") as unfinished:  # noqa: PT012
        unfinished.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_nobody_else_puts_files_in_place_by_hand():
    """Ten did, each with a way of its own to clean up or to say that the disk is full."""
    found = {
        str(path.relative_to(HOUSE))
        for path in HOUSE.rglob("*.py")
        if "os.replace(" in (text := path.read_text(encoding="utf-8")) or "part.replace(" in text
    }
    assert found == OF_THEIR_OWN
