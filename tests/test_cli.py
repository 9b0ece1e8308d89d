"""The command line as a user runs it: what its processes end with, and what each command tells."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import here, json_here
from tests.datasets.sources import idx_bytes

ROOT = Path(__file__).parent.parent
N_TRAIN, N_TEST = 120, 30


def start(project, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "cad_studio", "--project", str(project), *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env={**os.environ, **environment},
    )  # fmt: skip


def finish(process):
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def run(project, *arguments):
    return finish(start(project, *arguments))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tmp_path_factory.mktemp("cli") / "project"


@pytest.fixture(scope="module")
def imported(project):
    """What the import of a small source of IDX files printed."""
    source = project.parent / "fashion"
    source.mkdir()
    generator = np.random.default_rng(0)
    for part, count in (("train", N_TRAIN), ("t10k", N_TEST)):
        truth = np.arange(count) % 10
        images = generator.integers(0, 160, (count, 28, 28)) + truth[:, None, None] * 9
        (source / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (source / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(truth))
    code, out, err = run(project, "import", source, "--name", "fmnist", "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_import_tells_what_it_brought_in(imported):
    assert (imported["name"], imported["n"], imported["k"]) == ("fmnist", 150, 10)
    assert (imported["left_out_count"], imported["left_out"]) == (0, [])
    assert imported["report"]["n_bad"] == 0


def test_the_first_journey_synthesize_mine_describe_export(imported, project, tmp_path):
    made = json_here(project, "synthesize", "fmnist", "--rate", "1.0", "--seed", "0")
    assert (made["rate"], made["seed"], made["version_number"]) == (1.0, 0, 2)
    assert {"annotator", "annotator_accuracy", "mean_candidates"} <= made.keys()

    mined = json_here(project, "mine", "fmnist", "--features", "pixels", "--quantile", "0.01")
    assert mined["extractor"] == "pixels"
    assert mined["version"] == made["version"] != imported["version"]
    assert isinstance(mined["n_pairs"], int)
    assert -1 <= mined["threshold"] <= 1
    assert mined["seconds"] >= 0
    cells = mined["pairs_per_class_pair"]
    assert sum(cell["n_pairs"] for cell in cells) == mined["n_pairs"] > 0
    assert {"i", "j", "similarity", "shared"} == mined["top"][0].keys()

    _, said, _ = here(project, "mine", "fmnist", "--quantile", "0.01", "--method", "ivf")
    assert "Approximate search, measured recall 100.0%.\n" in said

    found = json_here(project, "describe", "fmnist")
    wanted = {
        "n": 150, "k": 10, "empty": 0, "truth_known": 150, "truth_in_candidates": 150,
        "version": made["version"],
    }  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted
    assert found["mean_candidates"] == pytest.approx(made["mean_candidates"], abs=1e-4)
    assert found["singletons"] == found["size_histogram"][1]

    assert found["worst_distractor"] == made["worst_distractor"]
    assert (made["worst_distractor"]["uses_true_labels"], found["held_together"]) == (True, None)
    names = [row["class"] for row in found["worst_distractor"]["classes"]]
    assert names == [row["class"] for row in found["mistaken_for"]["classes"]]
    assert found["mistaken_for"]["uses_true_labels"] is False
    assert found["note"] == ""

    out = tmp_path / "sets ü.csv"
    told = json_here(project, "export", "fmnist", "--format", "csv", "--out", out)
    assert (told["rows"], told["out"]) == (150, str(out))
    with out.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 150


@pytest.mark.long
def test_a_mean_size_is_calibrated_and_the_setting_printed_gives_it_again(imported, project):
    size, seed = ("--mean-size", "3.5"), ("--seed", "3")
    code, out, err = here(project, "synthesize", "fmnist", *size, "--epochs", "2", *seed)
    assert (code, err) == (0, "")
    assert "for a mean size of 3.5 found: rate; expected 3.50 (tolerance 0.1)" in out
    assert "most frequent distractor of a class (uses true labels)" in out
    again = out.partition("The same again: ")[2].splitlines()[0].split()
    assert again[:2] == ["--epochs", "2"]
    calibrated = json_here(project, "describe", "fmnist")
    repeated = json_here(project, "synthesize", "fmnist", *again)
    assert repeated["candidates_hash"] == calibrated["made_with"]["candidates_hash"]
    code, out, err = here(project, "describe", "fmnist")
    assert (code, err) == (0, "")
    assert "of the samples carry one that at least 90% of their class carry" in out
    assert "mistaken, by the sets alone (set model, estimated): " in out


def test_what_commands_do_stands_among_the_jobs_of_the_window(imported, project):
    """Only training did: an import in a terminal was seen nowhere, and waited for nothing."""
    here(project, "extract", "fmnist")
    here(project, "mine", "fmnist", "--quantile", "2")
    jobs = json_here(project, "jobs", "list")["jobs"]
    told = {(job["kind"], job["title"], job["status"]) for job in jobs}
    assert {
        ("import", "Import fmnist", "done"),
        ("extract", "Extract pixels of fmnist", "done"),
        ("mine", "Find pairs of fmnist", "failed"),
    } <= told
    failed = next(job for job in jobs if job["status"] == "failed")
    assert failed["error"] == "quantile is 2.0; the most is 1.0."


def test_without_json_a_line_for_people_is_printed(imported, project):
    code, out, err = run(project, "list")
    assert (code, err) == (0, "")
    assert out.startswith("fmnist: 150 samples, 10 classes, v")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["describe", "fmnits"], "There is no dataset 'fmnits' in this project. Closest: 'fmnist'"),
        (["import", "/nowhere", "--name", "x"], "'/nowhere' does not exist. Give a file or folder"),
        (["mine", "fmnist", "--quantile", "2"], "quantile is 2.0; the most is 1.0."),
        (["mine", "fmnist", "--threshold", "much"], "Invalid value for '--threshold'"),
        (["synthesize", "fmnist", "--mean-size", "11"], "mean_size is 11, but fmnist has 10"),
        (["synthesize", "fmnist", "--mean-size", "0.9"], "mean_size is 0.9; the least is 1.0."),
        (["synthesize", "fmnist", "--mean-size", "nan"], "mean_size is not a number."),
        (
            ["synthesize", "fmnist", "--mean-size", "3", "--rate", "1", "--epochs", "5"],
            "leaves nothing to find. Leave out the epochs, the rate or both",
        ),
        (["build-sample", "/nowhere"], "'/nowhere' does not exist."),
        (["dance"], "No such command 'dance'"),
    ],
)
def test_what_the_user_can_mend_ends_with_2_and_words_on_stderr(
    imported, project, arguments, words
):
    code, out, err = here(project, *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_read_only_place_is_told_in_words(tmp_path):
    (tmp_path / "file").write_text("mine")
    code, out, err = run(tmp_path / "file", "list", "--json")
    assert (code, out) == (2, "")
    assert err == (
        f"The project folder {tmp_path / 'file'} is a file, not a folder. "
        "Choose another with --project DIR.\n"
    )


def test_a_folder_of_a_thousand_files_is_imported_and_bad_ones_are_listed(tmp_path):
    folder = tmp_path / "ordner ü"
    generator = np.random.default_rng(0)
    for row in range(1000):
        place = folder / ("cat", "ärger")[row % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{row:04}.png", compress_level=0)
    (folder / "cat" / "0500.png").write_bytes(b"no picture")
    code, out, err = here(tmp_path / "p", "import", folder, "--name", "many", "--json")
    assert (code, out) == (2, "")
    assert "Nothing was imported. 1 of 1,000 samples: unreadable images (first: " in err
    assert "import the rest with --skip-bad" in err
    told = json_here(tmp_path / "p", "import", folder, "--name", "many", "--skip-bad")
    assert (told["n"], told["k"], told["left_out_count"]) == (999, 2, 1)
    assert "0500.png" in told["left_out"][0]


def test_two_processes_can_start_on_one_new_project_whatever_their_locale(tmp_path):
    """Where the locale was not UTF-8, other letters ended in a traceback."""
    np.savez(tmp_path / "a.npz", features=np.eye(3), labels=np.arange(3))
    both = [
        start(
            tmp_path / "p", "import", tmp_path / "a.npz", "--name", name, "--json",
            PYTHONIOENCODING=encoding,
        )
        for name, encoding in (("one", "utf-8"), ("zwei ü", "ascii"))
    ]  # fmt: skip
    for process in both:
        code, out, err = finish(process)
        assert code == 0, err
        assert json.loads(out)["n"] == 3
    listed = json_here(tmp_path / "p", "list")["datasets"]
    assert sorted(dataset["name"] for dataset in listed) == ["one", "zwei ü"]


def test_of_two_that_import_under_one_name_one_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.eye(3), labels=np.arange(3))
    both = [start(tmp_path / "p", "import", tmp_path / "a.npz", "--name", "same") for _ in range(2)]
    ended = [finish(process) for process in both]
    assert sorted(code for code, *_ in ended) == [0, 2]
    (refused,) = [err for code, _, err in ended if code == 2]
    assert "This project already has a dataset 'same'." in refused


def test_an_import_can_be_looked_at_first_and_corrected(tmp_path):
    """The dry run names what it took and the option that changes it; nothing is stored."""
    folder = tmp_path / "set"
    folder.mkdir()
    for row in range(4):
        Image.new("L", (8, 8), row).save(folder / f"{row}.png")
    rows = ["file_name;set", "0.png;elm, oak", "1.png;oak", "2.png;elm, ash", "3.png;ash"]
    (folder / "metadata.csv").write_text("\n".join(rows))
    project = tmp_path / "p"
    options = ("--columns", "candidates=set", "--unlabelled", "leave-out")
    found = json_here(project, "import", folder, "--dry-run", *options)
    assert (found["n"], found["class_names"]) == (4, ["ash", "elm", "oak"])
    assert found["rows"][0]["candidates"] == ["elm", "oak"]
    taken = {item["what"]: item["option"] for item in found["understanding"]["taken"]}
    assert taken["separator"] == "--separator"
    assert taken["lists"] == "--list-separator"
    options = (
        *options,
        "--list-separator",
        "none",
        "--class-names",
        'ash,oak,"elm, oak","elm, ash"',
    )
    assert json_here(project, "import", folder, "--dry-run", *options)["rows"][0]["candidates"] == [
        "elm, oak"
    ]
    code, out, _ = here(project, "import", folder, "--dry-run", *options)
    assert code == 0
    assert "Separator: semicolon between columns of metadata.csv (change with --separator)." in out
    assert json_here(project, "list") == {"datasets": []}
    code, _, err = here(project, "import", folder, *options)
    assert (code, err.strip()) == (2, "Name the dataset with --name, or look first with --dry-run.")
