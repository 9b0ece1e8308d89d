"""Checkpoints are whole or not there, and a damaged one gives way to the one before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cad_studio.core.errors import StorageError
from cad_studio.training.checkpoint import Checkpoints


def tensors_of(value):
    shared = torch.full((3,), float(value))
    return {
        "weights": torch.full((4, 2), float(value)),
        "a": shared,
        "b": shared,
        "transposed": torch.arange(6.0).view(2, 3).t(),
        "scalar": torch.tensor(value),
        "flags": torch.tensor([True, False]),
        "empty": torch.zeros(0, 5),
    }


def test_what_was_saved_comes_back(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(tensors_of(7), {"epoch": 3, "name": "ä"})
    found = checkpoints.load()
    assert found is not None
    assert found.state == {"epoch": 3, "name": "ä"}
    for name, value in tensors_of(7).items():
        assert torch.equal(found.tensors[name], value)
        assert found.tensors[name].dtype == value.dtype
    assert found.damaged == []


def test_no_checkpoint_is_no_error(tmp_path):
    assert Checkpoints(tmp_path / "none").load() is None


def test_the_last_two_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for value in range(12):
        checkpoints.save(tensors_of(value), {"value": value})
    assert len(list(tmp_path.iterdir())) == 2
    assert checkpoints.load().state == {"value": 11}


@pytest.mark.parametrize("damage", ["flip", "truncate", "no-state", "bad-json", "no-tensors"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, damage, caplog):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(tensors_of(1), {"value": 1})
    newest = checkpoints.save(tensors_of(2), {"value": 2})
    file = newest / "tensors.safetensors"
    if damage == "flip":
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.write_bytes(content)
    elif damage == "truncate":
        os.truncate(file, 40)
    elif damage == "no-state":
        (newest / "state.json").unlink()
    elif damage == "bad-json":
        (newest / "state.json").write_text('{"checksum": 1')
    else:
        file.unlink()
    found = checkpoints.load()
    assert found.state == {"value": 1}
    assert found.damaged == [newest.name]
    assert f"{newest.name} cannot be read; going on from" in caplog.text


def test_when_all_are_damaged_the_message_says_so(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for value in range(2):
        folder = checkpoints.save(tensors_of(value), {})
        os.truncate(folder / "tensors.safetensors", 1)
    with pytest.raises(StorageError, match=r"All 2 checkpoints in .* \(first: checkpoint-0"):
        checkpoints.load()


def test_what_a_killed_process_left_unfinished_is_not_read_and_goes(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(tensors_of(1), {"value": 1})
    left = tmp_path / "unfinished-00000001"
    left.mkdir()
    (left / "tensors.safetensors").write_bytes(b"half")
    assert checkpoints.load().state == {"value": 1}
    checkpoints.save(tensors_of(2), {"value": 2})
    assert not left.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files by ulimit")
def test_a_full_disk_is_said_and_leaves_the_checkpoint_before(tmp_path):
    """The limit on file size stands for a full disk: both refuse the write half-way."""
    program = (
        "import resource, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from cad_studio.core.errors import StorageError\n"
        "from cad_studio.training.checkpoint import Checkpoints\n"
        "checkpoints = Checkpoints(Path(sys.argv[1]))\n"
        "checkpoints.save({'w': torch.ones(10)}, {'value': 1})\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    checkpoints.save({'w': torch.ones(1_000_000)}, {'value': 2})\n"
        "except StorageError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No space is left for a checkpoint in" in done.stdout, done.stderr
    assert "the checkpoint before is intact" in done.stdout
    assert Checkpoints(tmp_path).load().state == {"value": 1}
    assert len(list(tmp_path.iterdir())) == 1
