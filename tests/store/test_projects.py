"""The project folder and what it says where it cannot be used."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from cad_studio.core.errors import ProjectError
from cad_studio.store import projects
from cad_studio.store.projects import Project
from tests.store.test_datasets import COLUMNS


def test_a_folder_is_made_with_all_its_parents(tmp_path):
    folder = tmp_path / "a" / "ü b"
    project = Project(folder)
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == [
        "blobs", "logs", "open", "partial", "scratch",
    ]  # fmt: skip
    assert (folder / "project.db").is_file()
    assert list((folder / "scratch").iterdir()) == []
    project.close()
    Project(folder).close()


def test_a_file_in_the_place_of_the_folder_is_refused_and_left_alone(tmp_path):
    place = tmp_path / "project"
    place.write_text("mine")
    with pytest.raises(ProjectError, match=r"is a file, not a folder\. Choose another with --proj"):
        Project(place)
    assert place.read_text() == "mine"


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ProjectError, match="is a file or lies below one"):
        Project(tmp_path / "file" / "project")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_place_where_nobody_may_make_folders_is_refused(tmp_path):
    with pytest.raises(ProjectError, match=r"The project folder /proc/cad-studio .*--project DIR"):
        Project(Path("/proc/cad-studio"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    folder = tmp_path / "project"
    Project(folder).close()
    os.chmod(folder / "scratch", 0o555)
    try:
        with pytest.raises(ProjectError, match="may not be written by this user"):
            Project(folder)
    finally:
        os.chmod(folder / "scratch", 0o755)


def test_names_with_percent_and_question_marks_are_plain_folders(tmp_path):
    """A `?` in the path cut the name of the database short, as in an address."""
    folder = tmp_path / "50% ?really#x"
    Project(folder).close()
    assert (folder / "project.db").is_file()


def test_unused_files_are_not_removed_while_something_is_being_saved(tmp_path):
    """A blob was removed between its writing and the record that names it."""
    project, other = Project(tmp_path / "p"), Project(tmp_path / "p")
    freed = []

    def remove():
        with other.removing() as removal:
            pass
        freed.append(removal.freed_bytes)

    remover = threading.Thread(target=remove)
    with project.saving():
        name = project.blobs.save_array(np.arange(9))
        remover.start()
        remover.join(0.3)
        assert remover.is_alive()
        project.datasets.add(COLUMNS | {"files": {"ids": name}}, "none", {})
    remover.join(10)
    assert freed == [0]
    assert project.blobs.has(name)


def test_files_without_a_record_are_gone_when_saving_fails(tmp_path):
    project = Project(tmp_path / "p")
    kept = project.blobs.save_array(np.arange(9))
    project.datasets.add(COLUMNS | {"files": {"ids": kept}}, "none", {})

    def fail():
        project.blobs.save_array(np.arange(99))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), project.saving():
        fail()
    assert [path.name for path in (tmp_path / "p" / "blobs").glob("??/*")] == [kept]


def test_a_project_that_is_always_being_saved_into_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(projects, "_SAVING_SECONDS", 0.1)
    project, other = Project(tmp_path / "p"), Project(tmp_path / "p")
    with project.saving():
        refused = pytest.raises(ProjectError, match=r"Another process has been saving .*Close")
        with refused, other.saving():
            pass
    with other.saving():
        pass
