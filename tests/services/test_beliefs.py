"""Neighbour graphs and belief: kept with their features, and one of each dataset's own."""

import errno
import time

import numpy as np
import pytest

from cad_studio.core.errors import NotReadyError, ResourceError, StorageError
from cad_studio.core.progress import Silent
from cad_studio.services.annotation.annotation import ActionRequest
from cad_studio.services.container import Services
from cad_studio.store import derived
from tests.services.edited import brightness
from tests.services.small import store


@pytest.fixture
def ready(services, tmp_path):
    store(services, brightness(tmp_path), "b")
    return services


def kept(services):
    """Files of neighbours in the project."""
    return sorted((services.project.folder / "derived").glob("*neighbours*"))


def test_neighbours_are_found_once_and_go_with_their_features(ready):
    """Their folder was never emptied."""
    found = ready.beliefs.graph("b", "pixels", Silent())
    assert len(kept(ready)) == 2
    again = Services(ready.config)
    times = [file.stat().st_mtime_ns for file in kept(ready)]
    read = again.beliefs.graph("b", "pixels", Silent())
    assert np.array_equal(read.index, found.index)
    assert np.array_equal(read.cosine, found.cosine)
    assert [file.stat().st_mtime_ns for file in kept(ready)] == times
    again.close()
    ready.datasets.remove("b")
    assert kept(ready) == []


def test_a_full_disk_is_told_when_neighbours_are_kept(ready, monkeypatch):
    """It was an unexpected error."""
    ready.mining.extract("b", "pixels", Silent())

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(derived.np, "save", full)
    with pytest.raises(StorageError, match="No space is left"):
        ready.beliefs.graph("b", "pixels", Silent())
    assert kept(ready) == []


def test_equal_files_that_are_annotated_apart_have_a_belief_each(ready, tmp_path):
    """The belief of the first was taken for that of the second."""
    store(ready, brightness(tmp_path), "c")
    sizes = ready.datasets.load("b").candidates.sizes()
    rows = np.flatnonzero(sizes > 1)[:2].tolist()
    for name, row in zip(("b", "c"), rows, strict=True):
        given = {"class": int(ready.datasets.load(name).candidates.of(row)[0])}
        request = ActionRequest("label", [row], given, "anna", key=f"k{name}", window="w")
        ready.annotation.act(name, request)
    for name, row, other in (("b", *rows), ("c", *reversed(rows))):
        assert len(ready.beliefs.suggestion(name, "pixels", row, Silent())) == 1
        assert len(ready.beliefs.suggestion(name, "pixels", other, Silent())) == sizes[other]


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EIO, "Input/output error")])
def test_a_first_belief_that_fails_beside_is_told_and_tried_again(ready, monkeypatch, error):
    """It was begun anew at every question, and each was told that it is here in a moment."""
    monkeypatch.setattr("cad_studio.services.annotation.beliefs.RENEWED_AT_ONCE", 1)
    ready.beliefs.is_patient = False

    def fails(*_):
        raise error

    with monkeypatch.context() as broken:
        broken.setattr("cad_studio.services.annotation.beliefs.Graph.belief", fails)
        with pytest.raises(NotReadyError):
            ready.beliefs.standing("b", "pixels", Silent())
        until = time.monotonic() + 30
        while ready.beliefs.is_renewing("b") and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(ResourceError, match="The confidence of b was not worked out"):
            ready.beliefs.standing("b", "pixels", Silent())
    with pytest.raises(NotReadyError):
        ready.beliefs.standing("b", "pixels", Silent())
    while ready.beliefs.is_renewing("b") and time.monotonic() < until:
        time.sleep(0.01)
    assert ready.beliefs.standing("b", "pixels", Silent()).belief is not None
