"""After a process was killed the database is checked once; a clean end costs nothing."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cad_studio.core.errors import ProjectError
from cad_studio.store import projects
from cad_studio.store.database import Database
from cad_studio.store.projects import Project
from tests.store.test_project_identity import filled

PROGRAM = """
import sys, time
from pathlib import Path
from cad_studio.store.projects import Project
project = Project(Path(sys.argv[1]))
print("open", flush=True)
if sys.argv[2] == "stay":
    time.sleep(60)
if sys.argv[2] == "close":
    project.close()
"""
ROOT = Path(__file__).parent.parent.parent


def opened(folder, how):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), how], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"open\n"
    return process


def kill(folder):
    with opened(folder, "stay") as process:
        process.send_signal(signal.SIGKILL)


def zero_page(file, page=10):
    data = bytearray(file.read_bytes())
    data[page * 4096 : (page + 1) * 4096] = bytes(4096)
    file.write_bytes(data)


@pytest.fixture
def folder(tmp_path):
    filled(tmp_path / "p").close()
    return tmp_path / "p"


@pytest.fixture
def checks(monkeypatch):
    """Counts the checks."""
    made = []
    whole = Database.require_whole
    monkeypatch.setattr(Database, "require_whole", lambda self: (made.append(1), whole(self))[1])
    return made


@pytest.mark.parametrize("how", ["close", "leave"])
def test_a_clean_end_leaves_nothing_to_check(folder, checks, how):
    with opened(folder, how):
        pass
    assert list((folder / "open").iterdir()) == []
    Project(folder).close()
    assert checks == []


def test_after_a_kill_the_database_is_checked_once(folder, checks):
    kill(folder)
    Project(folder).close()
    Project(folder).close()
    assert checks == [1]


def test_a_process_at_work_is_no_unclean_end(folder, checks):
    with opened(folder, "stay") as process:
        Project(folder).close()
        assert checks == []
        process.kill()


def test_a_zeroed_page_is_noticed_after_a_kill_and_told_until_it_is_mended(folder):
    kill(folder)
    for file in folder.glob("project.db-*"):
        file.unlink()
    zero_page(folder / "project.db")
    for _ in range(2):
        with pytest.raises(ProjectError, match=r"is damaged .* Nothing was changed.* repair"):
            Project(folder)


def test_a_large_database_is_checked_behind_and_then_takes_no_more(folder, monkeypatch):
    monkeypatch.setattr(projects, "_CHECKED_AT_ONCE", 0)
    kill(folder)
    for file in folder.glob("project.db-*"):
        file.unlink()
    zero_page(folder / "project.db")
    project = Project(folder)
    for thread in threading.enumerate():
        if thread.name == "check-database":
            thread.join(20)
    with pytest.raises(ProjectError, match="is damaged"), project.database.write():
        pass
    with pytest.raises(ProjectError, match="is damaged"), project.removing():
        pass
    project.close()
