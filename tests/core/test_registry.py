"""Finding the members of a room."""

import sys

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
