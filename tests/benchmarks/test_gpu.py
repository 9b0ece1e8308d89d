"""The GPU benchmark in small, on the CPU, with nothing but what a bare machine has."""

import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import gpu

ROOT = Path(__file__).parents[2]
BLOCKED = ("gradio", "sqlalchemy", "alembic", "faiss", "typer", "datasets", "filelock", "umap")
N_TRAIN, N_TEST = 48, 16
SMALL = (
    "--device", "cpu", "--backbone", "resnet8", "--batches", "8", "--speed-seconds", "0.01",
    "--workers", "0", "--epochs", "1", "--batch-size", "16", "--annotator-epochs", "1",
    "--set", "threads=1", "--precisions", "float32",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """The four files as they are published, smaller."""
    chance = np.random.default_rng(0)
    for name, n_samples in (("train", N_TRAIN), ("t10k", N_TEST)):
        labels = (np.arange(n_samples) % 10).astype(np.uint8)
        images = (labels[:, None, None] * 20 + chance.integers(0, 40, (n_samples, 28, 28))).astype(
            np.uint8
        )
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
            with gzip.open(tmp_path / f"{name}-{kind}-ubyte.gz", "wb") as file:
                file.write(header + array.tobytes())
    made = np.array([1, 0, N_TRAIN + N_TEST])  # epochs, seed, n: as if the annotator had run
    sets = np.eye(10, dtype=bool)[np.arange(N_TRAIN + N_TEST) % 10] | (
        chance.random((N_TRAIN + N_TEST, 10)) < 0.2
    )
    np.savez(tmp_path / "candidates.npz", packed=np.packbits(sets, axis=1), made=made)
    return tmp_path


def lines_of(text):
    return [json.loads(line) for line in text.splitlines() if line.strip()]


@pytest.mark.long
def test_everything_is_measured_in_small_with_what_a_bare_machine_has(folder):
    program = (
        f"import sys\nfor name in {BLOCKED}: sys.modules[name] = None\n"
        "from tests.benchmarks import gpu; gpu.main()"
    )
    out = folder / "gpu.jsonl"
    parts = ("--parts", "speed", "learning", "contrast", "--patience", "0", "--seconds", "200")
    done = subprocess.run(
        [sys.executable, "-c", program, "--data", str(folder), "--out", str(out), *SMALL, *parts],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = lines_of(done.stdout)
    assert not [line for line in lines if "left_out" in line]
    assert lines == lines_of(out.read_text())
    assert (lines[0]["part"], lines[0]["n_train"]) == ("machine", N_TRAIN)
    assert 1.0 <= lines[0]["sets"]["mean_size"] <= 10.0
    final = {(line["part"], line["key"]): line for line in lines if line["is_final"]}
    cases = {name for part, name in final if part == "speed"}
    assert {name.partition(",")[0] for name in cases} == {
        name.partition(",")[0] for name in gpu.SPEEDS
    }
    assert all(final["speed", name]["samples_per_second"] > 0 for name in cases)
    for case in gpu.LEARNING:
        assert final["learning", case.name]["epochs"] == 1
        assert 0.0 <= final["learning", case.name]["test"] <= 1.0
    assert final["learning", "CA, authors' teacher"]["settings"]["without_rl"]
    assert final["learning", "CAD-CAM, all views"]["settings"]["max_class_views"] == 0
    assert {name for part, name in final if part == "contrast"} == {c.name for c in gpu.CONTRAST}


def test_what_is_done_is_not_done_again_and_what_is_left_out_is_said(folder, capsys):
    out = folder / "gpu.jsonl"
    first = gpu.LEARNING[0].name
    known = {"part": "learning", "key": first, "is_final": True}
    out.write_text(json.dumps(known) + "\n")
    arguments = [
        "--data", str(folder), "--out", str(out), *SMALL, "--parts", "learning",
        "--runs", first, "CA, warmed", "DIRK-REF", "--set", "beta=0.5",
    ]  # fmt: skip
    gpu.main(arguments)
    found = {line["key"]: line for line in lines_of(capsys.readouterr().out)}
    assert first not in found
    assert "'beta' is not a setting here" in found["DIRK-REF"]["left_out"]
    assert found["CA, warmed"]["is_final"]
    assert lines_of(out.read_text())[0] == known


@pytest.mark.slow
def test_several_runs_are_trained_at_the_same_time(folder, capsys):
    runs = ["PRODEN", "DIRK-REF"]
    small = ["--data", str(folder), *SMALL, "--parts", "learning", "--runs", *runs]
    gpu.main([*small, "--together", "2"])
    told = lines_of(capsys.readouterr().out)
    assert {line["key"] for line in told if line["is_final"]} == set(runs)
    assert not [line for line in told if "left_out" in line]


def test_no_time_is_said_and_a_run_that_is_cut_short_too(folder, capsys):
    small = ["--data", str(folder), *SMALL]
    gpu.main([*small, "--parts", "speed", "learning", "--seconds", "0.05", "--runs", "PRODEN"])
    told = lines_of(capsys.readouterr().out)
    left = [line for line in told if "left_out" in line]
    assert {line["part"] for line in left} == {"speed", "learning"}
    assert {line["left_out"] for line in left} == {"no time was left"}
    more = ["--epochs", "500", "--seconds", "3", "--patience", "0"]
    gpu.main([*small, *more, "--parts", "learning", "--runs", "PRODEN"])
    told = lines_of(capsys.readouterr().out)
    assert any("epoch" in line for line in told)
    assert any("of 500 epochs" in line.get("left_out", "") for line in told)


@pytest.mark.long
def test_sets_are_made_once_by_the_annotator_and_kept_beside(folder, capsys):
    (folder / "candidates.npz").unlink()
    small = ["--data", str(folder), *SMALL, "--parts", "learning", "--runs"]
    gpu.main([*small, "nothing"])
    (made,) = [line["sets"] for line in lines_of(capsys.readouterr().out) if "sets" in line]
    assert made["annotator_accuracy"] > 0.1
    gpu.main([*small, "nothing"])
    (again,) = [line["sets"] for line in lines_of(capsys.readouterr().out) if "sets" in line]
    assert again["mean_size"] == made["mean_size"]
    assert "annotator_accuracy" not in again
    (folder / "candidates.npz").unlink()
    gpu.main([*small, "nothing", "--seconds", "0"])
    (line,) = lines_of(capsys.readouterr().out)
    assert line["left_out"] == "no time was left to make the candidate sets"


def test_colour_images_are_read_from_parquet(tmp_path):
    import io

    import pyarrow as pa
    from PIL import Image
    from pyarrow import parquet

    from tests.benchmarks.gpu_data import read_images

    def encoded(value):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (value, 0, 255 - value)).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": None}

    for name, values in (("train", [1, 2, 3]), ("test", [4, 5])):
        table = pa.table({"img": [encoded(v) for v in values], "label": values})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    images, labels, n_train = read_images(tmp_path, None, 1)
    assert (images.shape, labels.tolist(), n_train) == ((4, 8, 8, 3), [1, 2, 3, 4], 3)
    assert images[2, 0, 0].tolist() == [3, 0, 252]
