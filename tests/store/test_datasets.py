"""Rows of datasets and their versions."""

import pytest

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.store.projects import Project

COLUMNS = {
    "name": "pets", "kind": "features", "n_samples": 2, "class_names": ["cat", "dög"],
    "class_descriptions": {}, "height": None, "width": None, "channels": None,
    "split_names": ["train"], "annotators": [], "files": {"features": "f.npy"}, "source": "s",
    "report": {},
}  # fmt: skip


@pytest.fixture
def datasets(tmp_path):
    project = Project(tmp_path)
    yield project.datasets
    project.close()


def test_a_dataset_comes_back_as_it_was_added_with_its_first_version(datasets):
    added = datasets.add(COLUMNS, "c.npy", {"source": "s"})
    found = datasets.get("pets")
    assert found == added
    assert {name: getattr(found, name) for name in COLUMNS} == COLUMNS
    assert (found.version.number, found.version.reason) == (1, "import")
    assert found.version.candidates == "c.npy"
    assert found.version.details == {"source": "s"}
    assert len(found.version.hash) == 12
    assert found.content_hash == "f.npy"


def test_a_version_hash_follows_the_content_and_nothing_else(datasets):
    def version(**changes):
        values = COLUMNS | changes
        candidates = values.pop("candidates", "c.npy")
        return datasets.add(values, candidates, {}).version.hash

    first = version(name="a")
    assert version(name="b", source="elsewhere") == first
    different = {
        version(name="c", candidates="d.npy"),
        version(name="d", class_names=["cat", "cow"]),
        version(name="e", files={"features": "g.npy"}),
        version(name="f", annotators=["anna"]),
        version(name="g", split_names=["test"]),
    }
    assert len(different) == 5
    assert first not in different


def test_new_sets_make_the_next_version_and_old_ones_are_kept(datasets):
    first = datasets.add(COLUMNS, "c.npy", {}).version
    second = datasets.add_version("pets", "d.npy", "synthesize", {"seed": 1}).version
    again = datasets.add_version("pets", "c.npy", "undo", {}).version
    assert [v.number for v in datasets.versions("pets")] == [1, 2, 3]
    assert datasets.get("pets").version == again
    assert second.hash != first.hash == again.hash
    assert datasets.versions("pets")[1].details == {"seed": 1}


def test_a_taken_name_is_refused_and_nothing_is_added(datasets):
    datasets.add(COLUMNS, "c.npy", {})
    with pytest.raises(SettingError, match=r"already has a dataset 'pets'.*remove pets"):
        datasets.add(COLUMNS, "d.npy", {})
    assert datasets.names() == ["pets"]
    assert len(datasets.versions("pets")) == 1


def test_a_misspelt_name_is_answered_with_the_closest(datasets):
    with pytest.raises(RecordNotFoundError, match=r"no dataset 'pest'.*Import one first"):
        datasets.get("pest")
    datasets.add(COLUMNS, "c.npy", {})
    with pytest.raises(RecordNotFoundError, match=r"no dataset 'pest'.* Closest: 'pets'"):
        datasets.get("pest")


def test_a_removed_dataset_takes_its_versions_along(datasets):
    datasets.add(COLUMNS, "c.npy", {})
    datasets.add(COLUMNS | {"name": "other"}, "c.npy", {})
    datasets.remove("pets")
    assert datasets.names() == ["other"]
    datasets.add(COLUMNS, "c.npy", {})
    assert len(datasets.versions("pets")) == 1


def test_class_descriptions_can_be_replaced(datasets):
    datasets.add(COLUMNS, "c.npy", {})
    datasets.describe_classes("pets", {"cat": "says `miau` <b>"})
    assert datasets.get("pets").class_descriptions == {"cat": "says `miau` <b>"}
