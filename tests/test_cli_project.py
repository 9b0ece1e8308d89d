"""verify, backups, restore and repair as commands, and a project that may only be read."""

import ctypes
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import CadStudioError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.store.sqlite_files import damage_of
from tests.commands import here
from tests.services.annotating import NAME, label, make
from tests.services.small import noise, save, store

ROOT = Path(__file__).parent.parent
PAGE = 4096
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


def command(folder, *arguments, **more):
    environment = {**os.environ, **more.pop("environment", {})}
    done = subprocess.run(
        [sys.executable, "-m", "cad_studio", "--project", str(folder), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment, **more,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


_ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from cad_studio.cli import main
for arguments in json.loads(sys.stdin.read()):
    out, told, code = *(io.TextIOWrapper(io.BytesIO()) for _ in range(2)), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        try:
            sys.argv[1:] = arguments
            main()
        except SystemExit as end:
            code = end.code or 0
    texts = [(each.flush(), each.buffer.getvalue().decode())[1] for each in (out, told)]
    print(json.dumps([code, *texts]), flush=True)
"""


def commands(folder, all_arguments, environment, **how):
    """What several commands end with, in one process: starting one is most of its time."""
    given = [["--project", str(folder), *arguments] for arguments in all_arguments]
    done = subprocess.run(
        [sys.executable, "-c", _ONE_AFTER_THE_OTHER], input=json.dumps(given),
        cwd=ROOT, capture_output=True, text=True, timeout=240, env={**os.environ, **environment},
        **how,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def files_of(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with a dataset, some annotation, and a copy of its database."""
    folder = tmp_path_factory.mktemp("cli") / "project"
    services = Services(AppConfig(folder))
    make(services, folder.parent)
    for row in range(5):
        label(services, row, 1)
    services.project.copy_if_due()
    services.close()
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "project"))


def test_the_way_from_a_lost_database_back(folder):
    code, out, _ = here(folder, "verify", "--json")
    assert (code, json.loads(out)["is_whole"], json.loads(out)["n_actions"]) == (0, True, 5)
    (folder / "project.db").unlink()
    before = files_of(folder)
    for arguments in (["list"], ["remove", NAME], ["export", NAME, "--out", folder / "x.csv"]):
        code, out, told = here(folder, *arguments)
        assert (code, out) == (2, "")
        assert "project.db is missing" in told
        assert "restore" in told
    code, out, _ = here(folder, "verify", "--json")
    assert (code, json.loads(out)["is_whole"]) == (2, False)
    assert files_of(folder) == before
    code, out, _ = here(folder, "restore", "--json")
    assert (code, json.loads(out)["datasets"], json.loads(out)["missing"]) == (0, [NAME], 0)
    assert here(folder, "verify")[0] == 0


def test_a_damaged_log_is_told_by_name(folder):
    with sqlite3.connect(folder / "project.db") as connection:
        connection.execute("DROP TRIGGER annotation_action_no_update")
        connection.execute("UPDATE annotation_action SET who = 'bo' WHERE number = 3")
    code, out, _ = here(folder, "verify")
    assert code == 2
    assert f"the annotation log of dataset '{NAME}'" in out
    assert "Action 3 of the log is not what was written" in out


def test_a_copy_comes_with_a_command_once_a_day(tmp_path):
    file = save(tmp_path / "a.npz", images=noise(6, 4, 4), labels=np.arange(6) % 2)
    for name in ("one", "two"):
        assert here(tmp_path / "p", "import", file, "--name", name)[0] == 0
    code, out, _ = here(tmp_path / "p", "backups", "--json")
    (only,) = json.loads(out)["backups"]
    assert (code, only["datasets"]) == (0, ["one"])


def zeroed(folder):
    """The database of a project with each of its pages zeroed in turn."""
    file = folder / "project.db"
    whole = file.read_bytes()
    for page in range(len(whole) // PAGE):
        for beside in folder.glob("project.db-*"):
            beside.unlink()
        file.write_bytes(whole[: page * PAGE] + bytes(PAGE) + whole[(page + 1) * PAGE :])
        yield page
    file.write_bytes(whole)


def opened(folder):
    """Services, or None where the project is refused."""
    try:
        return Services(AppConfig(folder))
    except CadStudioError:
        return None


def test_every_zeroed_page_is_found_and_nothing_is_deleted(folder):
    """One went unnoticed; the removal of another dataset deleted what its rows named."""
    services = Services(AppConfig(folder))
    file = save(folder.parent / "other.npz", images=noise(6, 4, 4), labels=np.arange(6) % 2)
    store(services, file, name="other")
    services.close()
    blobs = {name: data for name, data in files_of(folder).items() if name.startswith("blobs")}
    n_pages = 0
    for page in zeroed(folder):
        n_pages += 1
        damaged = (folder / "project.db").read_bytes()
        services = opened(folder)
        if services is not None:
            found = services.verifying.verify(Silent())
            with pytest.raises(CadStudioError, match="is damaged"):
                services.datasets.remove("other")
            services.close()
            assert not found["is_whole"], page
        now = {name: data for name, data in files_of(folder).items() if name.startswith("blobs")}
        assert now == blobs, page
        assert len(damaged) <= (folder / "project.db").stat().st_size
    assert n_pages > 40
    assert damage_of(folder / "project.db") is None


def test_a_repair_saves_what_can_be_read(folder):
    file = folder / "project.db"
    whole = file.read_bytes()
    for page in (12, 30, len(whole) // PAGE - 1):
        file.write_bytes(whole[: page * PAGE] + bytes(PAGE) + whole[(page + 1) * PAGE :])
        code, out, _ = here(folder, "repair", "--json")
        told = json.loads(out)
        assert (code, told["database"]) == (0, "damaged")
        assert (Path(told["folder"]) / "project.db").is_file()
        assert damage_of(file) is None
        assert here(folder, "list")[0] == 0
        for beside in folder.glob("project.db*"):
            beside.unlink()


def obey_modes():
    """Let this process obey file modes although it is root's."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


def needs_modes_obeyed(tmp_path):
    """How to run a program that may not write where modes forbid it; skips where it cannot be."""
    if os.name != "posix":
        pytest.skip("needs file modes")
    how = {"preexec_fn": obey_modes} if os.geteuid() == 0 else {}
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    try:
        tried = subprocess.run(["touch", closed / "x"], capture_output=True, **how)
    except subprocess.SubprocessError:
        pytest.skip("this user may write anywhere")
    assert tried.returncode != 0
    return how


@pytest.fixture
def closed(folder):
    """The project, of which nothing may be written."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)


READS = [
    ["list"], ["describe", NAME], ["verify"], ["backups"], ["jobs", "list"], ["runs", "list"],
    ["annotate", "history", NAME], ["annotate", "verify", NAME], ["annotate", "agreement", NAME],
]  # fmt: skip
CHANGES = [
    ["remove", NAME], ["mine", NAME], ["extract", NAME], ["restore"], ["repair"],
    ["train", NAME, "--epochs", "1"], ["import", "assets/sample.npz", "--name", "new"],
    ["annotate", "act", NAME, "label", "--row", "5", "--class", "cat"],
]  # fmt: skip


def test_a_read_only_project_is_looked_at_without_a_trace(closed, tmp_path):
    how = needs_modes_obeyed(tmp_path)
    before = files_of(closed)
    code, _, told = command(closed, "list", **how)
    assert (code, "CAD_READONLY=1" in told) == (2, True)
    ended = commands(closed, [*READS, *CHANGES], {"CAD_READONLY": "1"}, **how)
    for arguments, (code, out, told) in zip(READS, ended, strict=False):
        assert (code, told) == (0, ""), arguments
        assert out, arguments
    for arguments, (code, out, told) in zip(CHANGES, ended[len(READS) :], strict=True):
        assert (code, out) == (2, ""), arguments
        assert "read-only" in told or "looked at only" in told or "may not be written" in told
    assert files_of(closed) == before


def test_what_was_not_moved_into_the_database_yet_is_read_too(made, tmp_path):
    """A killed studio leaves a log beside the database, which a read-only disk cannot take in."""
    how = needs_modes_obeyed(tmp_path)
    folder = tmp_path / "project"
    services = Services(AppConfig(Path(shutil.copytree(made, tmp_path / "live"))))
    label(services, 7, 2)
    shutil.copytree(tmp_path / "live", folder)
    services.close()
    assert (folder / "project.db-wal").stat().st_size > 0
    for with_memory in (True, False):
        if not with_memory:
            (folder / "project.db-shm").unlink()
        folder.chmod(0o555)
        try:
            code, out, _ = command(
                folder, "annotate", "verify", NAME, "--json",
                environment={"CAD_READONLY": "1"}, **how,
            )  # fmt: skip
        finally:
            folder.chmod(0o755)
        assert (code, json.loads(out)["actions"]) == (0, 6)


def test_an_older_schema_on_a_read_only_disk_is_told(folder, tmp_path):
    how = needs_modes_obeyed(tmp_path)
    with sqlite3.connect(folder / "project.db") as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    folder.chmod(0o555)
    try:
        code, _, told = command(folder, "list", environment={"CAD_READONLY": "1"}, **how)
    finally:
        folder.chmod(0o755)
    assert code == 2
    assert "older CAD Studio" in told
    assert "Open a copy of the project once" in told
