"""The daily copies of the database."""

import os
import sqlite3
import threading
from contextlib import closing

import pytest

from cad_studio.core.errors import DamageError
from cad_studio.store import backups
from cad_studio.store.projects import Project
from cad_studio.store.sqlite_files import damage_of
from tests.store.test_project_identity import filled


def test_a_copy_is_made_once_a_day_and_only_of_something(tmp_path):
    project = Project(tmp_path / "p")
    assert project.copy_if_due() is None
    project.close()
    project = filled(tmp_path / "p")
    first = project.copy_if_due()
    assert first is not None
    assert project.copy_if_due() is None
    older = first.rename(first.with_name("project-20200101T000000.db"))
    second = project.copy_if_due()
    assert project.backups.files() == [older, second]
    assert [each.datasets for each in project.backups.all()] == [project.datasets.names()] * 2
    assert damage_of(second) is None
    project.close()


def test_the_last_few_copies_are_kept_within_their_bytes(tmp_path, monkeypatch):
    project = filled(tmp_path / "p")
    (tmp_path / "p" / "backups").mkdir()
    for day in range(1, 10):
        (tmp_path / "p" / "backups" / f"project-2020010{day}T000000.db").write_bytes(b"x" * 100)
    made = project.copy_if_due()
    left = [file.name for file in project.backups.files()]
    assert len(left) == backups.KEPT
    assert left[-2:] == ["project-20200109T000000.db", made.name]
    monkeypatch.setattr(backups, "_MOST_BYTES", 50)
    made.rename(made.with_name("project-20200110T000000.db"))
    assert project.copy_if_due() is not None
    assert len(project.backups.files()) == 2
    project.close()


def test_a_damaged_database_is_not_copied_over_good_copies(tmp_path):
    project = filled(tmp_path / "p")
    good = project.copy_if_due().rename(tmp_path / "p" / "backups" / "project-20200101T000000.db")
    project.close()
    file = tmp_path / "p" / "project.db"
    data = file.read_bytes()
    project = Project(tmp_path / "p")
    file.write_bytes(data[:40960] + bytes(4096) + data[45056:])
    with pytest.raises(DamageError, match="is damaged"):
        project.copy_if_due()
    assert project.backups.files() == [good]
    assert len(list(good.parent.iterdir())) == 1
    project.close()


def test_a_full_disk_makes_no_copy(tmp_path, monkeypatch):
    project = filled(tmp_path / "p")
    monkeypatch.setattr(backups, "_FREE_FACTOR", 1 << 60)
    assert project.copy_if_due() is None
    assert not (tmp_path / "p" / "backups").exists()
    project.close()


def test_a_copy_made_among_writers_is_whole(tmp_path):
    project = filled(tmp_path / "p")
    ended = threading.Event()

    def write():
        while not ended.is_set():
            with closing(sqlite3.connect(project.database.file, 60)) as connection:
                connection.execute("UPDATE dataset SET source = hex(randomblob(3000))")
                connection.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            made = project.backups.make()
            assert damage_of(made) is None
            os.replace(made, made.with_name("project-20200101T000000.db"))
    finally:
        ended.set()
        writer.join()
    project.close()
