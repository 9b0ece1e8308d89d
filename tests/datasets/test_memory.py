"""The limit that follows the free memory, and that every reader stops before it."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import psutil
import pytest

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets import _memory
from cad_studio.datasets._base import READERS
from tests.datasets.hostile import BOMBS
from tests.datasets.sources import MAKERS

BOMBS_OF = {
    "annotator-votes": ("votes without end",),
    "argilla": ("JSON of tools",),
    "coco": ("JSON of tools",),
    "cvat": ("XML of tools",),
    "fiftyone": ("JSON of tools",),
    "huggingface": ("Parquet that repeats", "Arrow of zeros"),
    "idx": ("IDX that announces much",),
    "image-folder": ("zip that unpacks to much", "images that announce much"),
    "label-studio": ("JSON of tools",),
    "mat": ("MATLAB, sparse or zeros",),
    "npz": ("npz of zeros", "npz that announces much"),
    "yolo": ("YAML and lists",),
    "candidate file": ("npy that lies", "tensors of odd kinds", "pickles", "tables without end"),
}
WITHOUT_BOMB = {"torchvision"}
"""Its files are not compressed: they unpack to what they weigh."""

GRANTED = 256 * 2**20
BASE = 450 * 2**20  # the interpreter with pyarrow or scipy, and the largest array of a legal image

PROGRAM = """
import json, resource, sys
from cad_studio.core.errors import CadStudioError
from cad_studio.core.progress import Silent
from cad_studio.datasets import _memory
from cad_studio.datasets._base import ReadOptions, read_source
from cad_studio.datasets.checks import check
from cad_studio.datasets.decoding import decode

_memory.grant(int(sys.argv[1]))
for source, candidates in json.loads(sys.argv[2]):
    try:
        found = read_source(source, ReadOptions(candidates=candidates), Silent())
        check(found)
        for row in range(min(len(found.images or ()), 50)):
            image = found.images.read(row)
            if isinstance(image, bytes):
                decode(image, "here")
        print("read", source)
    except (CadStudioError, OSError) as error:
        print(error)
# Not getrusage for itself: a process inherits the peak of the one that started it.
status = open("/proc/self/status").read().split()
own = int(status[status.index("VmHWM:") + 1])
print(1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def test_every_reader_has_its_bomb():
    assert set(BOMBS_OF) - {"candidate file"} | WITHOUT_BOMB == set(READERS.names())
    assert set(MAKERS) == set(READERS.names())


@pytest.mark.long
@pytest.mark.parametrize("kinds", sorted(set(BOMBS_OF.values())), ids=", ".join)
def test_no_reader_takes_more_memory_than_it_may(kinds, tmp_path):
    """Sparse files of 3 kB took 6.5 GB, and Parquet, gzip and npz of some MB about 4 GB each."""
    sources = []
    for turn in range(8):
        kind = kinds[turn % len(kinds)]
        folder = tmp_path / str(turn)
        folder.mkdir()
        made = BOMBS[kind](folder, Random(turn))
        sources.append((made.source, made.options.candidates))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(GRANTED), json.dumps(sources)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, peak = done.stdout.splitlines()
    assert int(peak) < GRANTED + BASE, done.stdout


def test_limit_is_half_of_what_is_free_and_says_so():
    free = psutil.virtual_memory().available
    assert 0.3 * free < _memory.memory_limit() < 0.7 * free
    with pytest.raises(
        DatasetFormatError, match=r"a\.npz would take 3,725\.3 GiB of memory; .* may"
    ):
        _memory.require_memory(4 * 10**12, "a.npz")
    with pytest.raises(DatasetFormatError, match="more than a billion GiB"):
        _memory.require_rows(2**62, "a.npz")


@pytest.mark.parametrize("version", [1, 2])
def test_limit_heeds_the_control_groups_around_the_process(version, tmp_path):
    """Inside a container the machine's memory says nothing."""
    proc, groups = tmp_path / "proc" / "self", tmp_path / "sys" / "fs" / "cgroup"
    proc.mkdir(parents=True)
    if version == 2:
        (proc / "cgroup").write_text("0::/outer/inner\n")
        names = ("memory.max", "memory.current", "inactive_file")
    else:
        (proc / "cgroup").write_text("4:cpu,memory:/outer/inner\n0::/\n")
        groups = groups / "memory"
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    inner = groups / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / names[0]).write_text("max\n" if version == 2 else str(2**63 - 4096))
    (inner / names[1]).write_text("1000")
    (inner.parent / names[0]).write_text("1000000")
    (inner.parent / names[1]).write_text("700000")
    (inner.parent / "memory.stat").write_text(f"anon 1\n{names[2]} 100000\n")
    assert _memory.memory_limit(tmp_path) == 200_000
