"""Edits and suspects by other workers are those of this process."""

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import ResourceError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.edits.augmentation import AugmentRequest
from tests.cluster.elsewhere import Elsewhere
from tests.services.edited import with_editor


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edited")
    found = Services(AppConfig(folder / "project"))
    with_editor(found, folder)
    yield found
    found.close()


@pytest.fixture
def elsewhere(services, monkeypatch):
    """Workers that the services of this test have."""
    workers = Elsewhere()
    monkeypatch.setattr(services.augmentation, "_workers", workers)
    monkeypatch.setattr(services.diagnosis.suspects, "_workers", workers)
    return workers


def edits(services, **settings):
    """All edits, as (sample, class, bond) to bytes; each is there once."""
    request = AugmentRequest("b", budget={"budget": "all"}, settings=settings)
    done = services.augmentation.make(request, Silent())
    index = services.project.edits.index(done["set"])
    pixels = services.project.edits.pixels(services.project.edits.get(done["set"]))
    named = zip(index.row.tolist(), index.label.tolist(), index.bond.tolist(), strict=True)
    found = dict(zip(named, map(bytes, pixels.gather(index.place)), strict=True))
    assert len(found) == len(index) == done["wanted"]
    services.edit_sets.remove(done["set"], False)
    return found, done


def test_edits_made_elsewhere_are_those_made_here(services, elsewhere, monkeypatch):
    there, done = edits(services, steps=2)
    monkeypatch.undo()
    here, again = edits(services, steps=2)
    assert there == here
    keys = ("made", "failed", "similarity_to_source", "bytes", "notes")
    assert [done[key] for key in keys] == [again[key] for key in keys]


def test_an_editor_elsewhere_gets_its_model_and_no_other_is_taken(services, tmp_path):
    settings = services.editors.settings("b", "in-domain", {})
    editor = services.editors.open("b", "in-domain", settings)
    carried = services.editors.recipe("b", "in-domain", settings).carried(editor.key())
    moved = {**settings, "model": "/of/another/machine/editor.safetensors"}
    gone = type(carried)(carried.name, moved, carried.texts, carried.key, carried.model)
    image = np.full((12, 12, 1), 90, np.uint8)
    for one in (editor, gone.opened()):
        (made,) = one.edit([image], np.array([1]), np.array([3]))
        np.testing.assert_array_equal(made, editor.edit([image], np.array([1]), np.array([3]))[0])
    other = type(carried)(carried.name, moved, carried.texts, "another key", carried.model)
    with pytest.raises(ResourceError, match="is another one here"):
        other.opened()


def test_time_that_is_up_ends_the_edits_elsewhere_too(services, elsewhere):
    request = AugmentRequest("b", budget={"budget": "all", "max_seconds": 1e-6})
    done = services.augmentation.make(request, Silent())
    assert done["made"] == 0
    assert "The time was up" in done["notes"][0]


def test_suspects_found_elsewhere_are_those_found_here(services, elsewhere, monkeypatch):
    there = services.diagnosis.suspects.find("b", None, "pixels", 0, Silent())
    monkeypatch.undo()
    monkeypatch.setattr(services.project.derived, "has", lambda file: False)  # found once more
    here = services.diagnosis.suspects.find("b", None, "pixels", 0, Silent())
    assert there == here
    assert len(here["suspects"])


def test_services_pass_the_workers_of_their_project_on(services):
    """One that forgot them would work in this process, and nobody would notice."""
    for service in (services.mining, services.augmentation, services.diagnosis.suspects):
        assert service._workers is services.workers
