"""Fields, splits and votes on the command line, in this process."""

import csv
import json

import pytest
from typer.testing import CliRunner

from cad_studio.cli import app
from cad_studio.core.errors import SettingError
from tests.datasets.sources import png


def run(project, *arguments):
    """What a command prints; what a user can fix is raised."""
    found = CliRunner().invoke(app, ["--project", str(project), *arguments])
    if found.exception is not None:
        raise found.exception
    return found.stdout


def run_json(project, *arguments):
    return json.loads(run(project, *arguments, "--json"))


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """A project with twelve images of four patients, three votes each."""
    folder = tmp_path_factory.mktemp("cli-fields")
    with (folder / "votes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "annotator", "label", "patient"])
        for row in range(12):
            (folder / f"{row}.png").write_bytes(png(row))
            for who, label in (("a", "cat"), ("b", "cat"), ("c", "dog")):
                writer.writerow([f"{row}.png", who, label if row % 2 else "dog", f"p{row // 3}"])
    project = folder / "project"
    source = str(folder / "votes.csv")
    told = run_json(
        project, "import", source, "--name", "pets", "--class-names", "cat,dog", "--threshold", "0"
    )
    assert told["n"] == 12
    return project


def test_fields_are_listed_and_asked_for(pets):
    listed = run(pets, "fields", "pets")
    assert listed.startswith("patient (category, 12 samples): p0 (3), p1 (3)")
    found = run_json(pets, "fields", "pets", "--where", "patient=p1")
    assert [each["row"] for each in found["samples"]] == [3, 4, 5]
    with pytest.raises(SettingError, match="No sample has patient 'p9'"):
        run(pets, "fields", "pets", "--where", "patient=p9")


def test_split_is_shown_made_and_undone(pets):
    wanted = ("split", "pets", "--share", "train=0.75", "--share", "test=0.25", "--by", "patient")
    assert "train 9, test 3 in 4 groups" in run(pets, *wanted)
    made = run_json(pets, *wanted, "--apply")
    assert made["splits"] == {"train": 9, "test": 3}
    assert run_json(pets, "describe", "pets")["splits"] == made["splits"]
    assert run_json(pets, "annotate", "undo", "pets")["split"]
    assert run_json(pets, "describe", "pets")["splits"] == {"train": 12}
    with pytest.raises(SettingError, match="expected NAME=SHARE"):
        run(pets, "split", "pets", "--share", "train")


def test_sets_follow_from_another_threshold(pets):
    wanted = ("votes", "pets", "--threshold", "0.5")
    assert "6 of 12 sets with votes would change" in run(pets, *wanted)
    made = run_json(pets, *wanted, "--apply")
    assert (made["changed"], made["now"]) == (6, 0.0)
    assert "by the consensus of all" in run(pets, "annotate", "agreement", "pets")


def test_tags_are_put_on_by_the_command(pets):
    run(pets, "annotate", "act", "pets", "tag", "--row", "2", "--row", "4", "--tag", "odd")
    found = run_json(pets, "fields", "pets", "--where", "tag=odd")
    assert [each["row"] for each in found["samples"]] == [2, 4]
    assert run(pets, "fields", "pets").endswith("tag odd: 2 samples\n")
