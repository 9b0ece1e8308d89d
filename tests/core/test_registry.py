"""Finding the members of a room."""

import subprocess
import sys
from pathlib import Path

import pytest

from cad_studio.core.errors import SettingError
from cad_studio.core.registry import Registry

MEMBER = """
from {package}._base import MEMBERS

@MEMBERS.register("{name}")
def member():
    return "{name}"
"""


@pytest.fixture
def room(tmp_path, monkeypatch):
    """The name of a package with a registry, two members and a file that registers nothing."""
    package = f"room_{tmp_path.name}"
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "_base.py").write_text(
        "from cad_studio.core.registry import Registry\n"
        f"MEMBERS = Registry({package!r}, 'reader')\n"
    )
    (folder / "zebra.py").write_text(MEMBER.format(package=package, name="stripes"))
    (folder / "ant.py").write_text(MEMBER.format(package=package, name="image-folder"))
    (folder / "plain.py").write_text("X = 1\n")
    (folder / "_broken.py").write_text("raise RuntimeError('private files are not imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def registry_of(package):
    from importlib import import_module

    return import_module(f"{package}._base").MEMBERS


def test_members_are_imported_on_first_use_and_listed_in_order(room):
    members = registry_of(room)
    assert f"{room}.zebra" not in sys.modules
    assert members.names() == ["image-folder", "stripes"]
    assert f"{room}.zebra" in sys.modules
    assert members.get("stripes")() == "stripes"


def test_an_unknown_name_is_answered_with_the_closest(room):
    members = registry_of(room)
    with pytest.raises(
        SettingError, match=r"'image-foldr' is not a known reader\. Closest: 'image-folder'\."
    ):
        members.get("image-foldr")
    with pytest.raises(SettingError, match=r"Allowed: image-folder, stripes\."):
        members.get("qqq")


def test_a_name_can_be_taken_only_once():
    members = Registry("tests.core", "reader")
    members.register("one")(object())
    with pytest.raises(ValueError, match="reader 'one' is registered twice"):
        members.register("one")(object())


ASK_AT_ONCE = """
import importlib, pkgutil, sys, threading
import cad_studio
from cad_studio.core.registry import Registry

sys.setswitchinterval(1e-5)
found = {}
for room in ("datasets", "queues", "extractors", "annotators"):
    base = importlib.import_module(f"cad_studio.{room}._base")
    registry = next(value for value in vars(base).values() if isinstance(value, Registry))
    start = threading.Barrier(16)
    answers = []
    def ask():
        start.wait()
        answers.append(tuple(registry.names()))
    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert len(answers) == 16, room
    assert len(set(answers)) == 1, (room, set(answers))
    for name in answers[0]: registry.get(name)
"""


def test_all_threads_of_a_fresh_process_see_every_member():
    """Of four threads that asked at once, three were told that the reader is unknown."""
    done = subprocess.run(
        [sys.executable, "-c", ASK_AT_ONCE],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_member_that_cannot_be_imported_is_not_forgotten(room, tmp_path):
    """After a failed import the registry once held, silently, only what came before it."""
    (tmp_path / room / "badger.py").write_text("raise ImportError('no badger')\n")
    members = registry_of(room)
    for _ in range(2):
        with pytest.raises(ImportError, match="no badger"):
            members.names()
    (tmp_path / room / "badger.py").write_text("X = 1\n")
    sys.path_importer_cache.clear()
    assert members.names() == ["image-folder", "stripes"]
