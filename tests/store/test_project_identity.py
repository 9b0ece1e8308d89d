"""A folder whose database is lost, empty, foreign or older is refused, and nothing is deleted."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from cad_studio.core.errors import ProjectError
from cad_studio.store.projects import Project
from cad_studio.store.repair import repair, restore
from tests.store.test_datasets import COLUMNS

ROOT = Path(__file__).parent.parent.parent


def filled(folder: Path, value: int = 1) -> Project:
    """A project with a dataset, its blobs, a copy of its database, and a folder of a run."""
    project = Project(folder)
    with project.saving():
        names = {"ids": project.blobs.save_array(np.full(9, value))}
        candidates = project.blobs.save_array(np.full(7, value))
        project.datasets.add(COLUMNS | {"files": names}, candidates, {})
    return project


def everything(folder: Path) -> dict[str, bytes]:
    """The files that hold what users made."""
    kept = ("blobs", "runs", "edits", "editors")
    files = (file for room in kept for file in (folder / room).rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def lose(folder: Path, _other: Path) -> None:
    for file in folder.glob("project.db*"):
        file.unlink()


def empty(folder: Path, other: Path) -> None:
    lose(folder, other)
    (folder / "project.db").touch()


def without_tables(folder: Path, other: Path) -> None:
    lose(folder, other)
    with closing(sqlite3.connect(folder / "project.db")) as connection:
        connection.execute("VACUUM")


def swap(folder: Path, other: Path) -> None:
    filled(other, value=2).close()
    shutil.copy(other / "project.db", folder / "project.db")


def fresh(folder: Path, other: Path) -> None:
    Project(other).close()
    shutil.copy(other / "project.db", folder / "project.db")


DAMAGES = {
    lose: "is missing", empty: "is empty", without_tables: "is empty",
    swap: "of another project", fresh: "of another project",
}  # fmt: skip


@pytest.mark.parametrize("is_old", [False, True], ids=["", "from before project.json"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_folder_without_its_own_database_is_refused_and_left_alone(tmp_path, damage, is_old):
    """A lost database opened as a new project, whose next removal deleted every file."""
    folder = tmp_path / "my project"
    filled(folder).close()
    damage(folder, tmp_path / "other")
    if is_old:
        (folder / "project.json").unlink()
    before = everything(folder)
    with pytest.raises(ProjectError, match=DAMAGES[damage]) as refused:
        Project(folder)
    assert f"--project '{folder}' repair" in str(refused.value)
    assert everything(folder) == before
    result = repair(folder)
    assert result["database"] in ("lost", "foreign")
    kept = {str(file.relative_to(folder)) for file in Path(result["folder"]).rglob("*.npy")}
    assert {name.rpartition("/")[2] for name in kept} == {
        name.rpartition("/")[2] for name in before
    }
    Project(folder).close()


def test_a_project_from_before_it_had_a_number_is_adopted(tmp_path):
    filled(tmp_path / "p").close()
    with closing(sqlite3.connect(tmp_path / "p" / "project.db")) as connection:
        connection.execute("PRAGMA user_version = 0")
    (tmp_path / "p" / "project.json").unlink()
    project = Project(tmp_path / "p")
    assert project.datasets.names() == [COLUMNS["name"]]
    project.close()
    assert (tmp_path / "p" / "project.json").is_file()


def test_a_database_older_than_the_runs_beside_it_is_refused(tmp_path):
    """A new run would have gone on from the checkpoints of another one with its number."""
    folder = tmp_path / "p"
    filled(folder).close()
    (folder / "runs" / "7").mkdir(parents=True)
    (folder / "runs" / "7" / "model.safetensors").write_bytes(b"a week of training")
    with pytest.raises(ProjectError, match="older than runs/7"):
        Project(folder)
    result = repair(folder)
    assert (Path(result["folder"]) / "runs" / "7" / "model.safetensors").is_file()
    Project(folder).close()


def test_a_removal_deletes_nothing_that_the_database_never_knew(tmp_path):
    """A database put back by hand knew none of the newer files, and deleted them."""
    project = filled(tmp_path / "p")
    unknown = project.blobs.save_array(np.arange(1000))
    with project.removing() as removal:
        project.datasets.remove(COLUMNS["name"])
    assert removal.freed_bytes > 0
    assert list(project.blobs.names()) == [unknown]
    project.close()


def test_a_killed_save_is_cleared_up_by_the_next(tmp_path):
    filled(tmp_path / "p").close()
    program = (
        "import os, sys; from pathlib import Path; import numpy as np; "
        "from cad_studio.store.projects import Project; "
        "project = Project(Path(sys.argv[1])); context = project.saving(); context.__enter__(); "
        "print(project.blobs.save_array(np.arange(77)), flush=True); os._exit(9)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "p")], cwd=ROOT, capture_output=True,
        text=True,
    )  # fmt: skip
    left = killed.stdout.strip()
    project = Project(tmp_path / "p")
    assert left in project.blobs.names()
    with project.saving():
        assert left not in project.blobs.names()
    assert len(project.blobs.names()) == 2
    project.close()


def test_a_copy_brings_the_project_back_and_sets_newer_files_aside(tmp_path):
    folder = tmp_path / "p"
    project = filled(folder)
    copy = project.copy_if_due()
    assert copy is not None
    before = everything(folder)
    with project.saving():
        newer = project.blobs.save_array(np.arange(5))
        columns = COLUMNS | {"name": "newer", "files": {"ids": newer}}
        project.datasets.add(columns, newer, {})
    project.close()
    later = shutil.copy(folder / "project.db", tmp_path / "later.db")
    lose(folder, tmp_path)
    result = restore(folder, None)
    assert (result["restored"], result["missing"]) == (copy.name, 0)
    project = Project(folder)
    assert project.datasets.names() == [COLUMNS["name"]]
    assert everything(folder) == before
    assert list(Path(result["folder"]).rglob(newer))
    project.close()
    shutil.copy(later, folder / "backups" / "project-29990101T000000.db")
    assert restore(folder, "project-29990101T000000.db")["brought_back"] == 1
    project = Project(folder)
    assert project.datasets.names() == [COLUMNS["name"], "newer"]
    assert project.blobs.problem(newer) is None
    project.close()


def test_nothing_is_restored_under_a_program_at_work(tmp_path):
    folder = tmp_path / "p"
    project = filled(folder)
    project.copy_if_due()
    marker = next((folder / "open").iterdir())
    # the process that runs this test is not "another", so let its parent have the project open
    parent = psutil.Process(os.getppid())
    began = int(parent.create_time() * 100)
    marker.rename(marker.with_name(f"{parent.pid}-{began}-1.lock"))
    for action in (lambda: restore(folder, None), lambda: repair(folder)):
        with pytest.raises(ProjectError, match=rf"open in other programs \(process {parent.pid}\)"):
            action()
    project.close()


def test_a_damaged_or_foreign_copy_is_not_restored(tmp_path):
    folder = tmp_path / "p"
    project = filled(folder)
    copy = project.copy_if_due()
    project.close()
    database = (folder / "project.db").read_bytes()
    whole = copy.read_bytes()
    copy.write_bytes(whole[:8192] + bytes(4096) + whole[12288:])
    with pytest.raises(ProjectError, match="is damaged"):
        restore(folder, copy.name)
    filled(tmp_path / "other", value=3).close()
    shutil.copy(tmp_path / "other" / "project.db", copy)
    with pytest.raises(ProjectError, match="one of another project"):
        restore(folder, copy.name)
    assert (folder / "project.db").read_bytes() == database
