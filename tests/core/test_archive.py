"""An archive that was damaged, or made to do harm, is told in words; nothing else comes of it."""

import json
import random
import zipfile

import numpy as np
import pytest

from cad_studio.core.archive import ABOUT, Archive, writing_archive
from cad_studio.core.errors import DatasetFormatError

N_DAMAGED = 500


@pytest.fixture
def whole(tmp_path):
    with writing_archive(tmp_path / "whole.zip") as file:
        file.add_bytes("notes.txt", b"x" * 200)
        file.add_array("numbers.npy", np.zeros((4, 3), np.float32))
        file.finish("test", {})
    return (tmp_path / "whole.zip").read_bytes()


def read(path):
    """All of it; whether it was whole."""
    try:
        archive = Archive(path)
        archive.verify()
        for name in archive.names():
            archive.bytes(name)
        archive.array("numbers.npy")
    except DatasetFormatError:
        return False
    return True


def test_damage_anywhere_is_told(whole, tmp_path):
    """A bit that says "encrypted" in the list of members ended in a traceback."""
    chance, path = random.Random(0), tmp_path / "damaged.zip"
    path.write_bytes(whole)
    assert read(path)
    n_told = 0
    for _ in range(N_DAMAGED):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            place = chance.randrange(len(content))
            if chance.random() < 0.6:
                place = len(content) - 1 - chance.randrange(300)
            content[place] = chance.choice([0, 1, 8, 255, chance.randrange(256)])
        path.write_bytes(content)
        n_told += not read(path)
    assert n_told > N_DAMAGED / 4


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"kind": "test", "format": 1e999, "files": {}}',
        json.dumps({"kind": "test", "format": 1, "files": {"a": 1}}),
        '{"kind": "test", "format": ' + "9" * 6000 + ', "files": {}}',
    ],
)
def test_a_description_that_is_none_is_told(tmp_path, text):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(ABOUT, text)
    assert not read(path)
