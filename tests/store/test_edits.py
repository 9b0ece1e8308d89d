"""Stored edits: all of a batch or nothing, never twice, and gone when deleted."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from cad_studio.core.errors import RecordNotFoundError, StorageError
from cad_studio.store import edit_files
from cad_studio.store.edit_files import EditPixels, append, encode
from cad_studio.store.edits import Evidence
from cad_studio.store.projects import Project
from tests.store.test_datasets import COLUMNS

ROOT = Path(__file__).parents[2]
SHAPE = (4, 3, 1)


@pytest.fixture
def project(tmp_path):
    opened = Project(tmp_path / "project")
    opened.datasets.add(COLUMNS, "c.npy", {})
    yield opened
    opened.close()


def open_set(project, key="key", shape=SHAPE):
    return project.edits.open(1, "in-domain", key, {"strength": 0.5}, shape)


def columns(rows, labels=None, bond=7):
    size = len(rows)
    return {
        "row": list(rows),
        "label": list(labels or [0] * size),
        "bond": [bond] * size,
        "similarity": [0.5] * size,
    }


def pictures(n_images, shape=SHAPE, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (n_images, *shape), np.uint8))


def parts(images, shape=SHAPE):
    return [encode(image, shape) for image in images]


def test_edits_come_back_as_they_were_kept(project):
    edit_set, images = open_set(project), pictures(5)
    project.edits.add(edit_set, columns([3, 1, 4, 1, 5], [0, 1, 0, 0, 2]), parts(images))
    index = project.edits.index(edit_set.id)
    assert index.row.tolist() == [3, 1, 4, 1, 5]
    assert (project.edits.pixels(edit_set).gather(index.place) == np.stack(images)).all()
    one = project.edits.pixels(edit_set).one(int(index.place[2]), int(index.length[2]))
    assert (one == images[2]).all()
    assert project.edits.counts() == {edit_set.id: (5, 60)}


def test_the_same_model_and_settings_are_one_set(project):
    assert open_set(project).id == open_set(project).id
    assert open_set(project, "other").id != open_set(project).id


def test_a_double_is_refused_and_takes_nothing_of_its_batch(project):
    edit_set = open_set(project)
    project.edits.add(edit_set, columns([1]), parts(pictures(1)))
    with pytest.raises(RecordNotFoundError, match="what is there is kept"):
        project.edits.add(edit_set, columns([2, 1]), parts(pictures(2)))
    assert project.edits.index(edit_set.id).row.tolist() == [1]
    project.edits.add(edit_set, columns([1], bond=8), parts(pictures(1)))
    assert len(project.edits.index(edit_set.id)) == 2


def test_bytes_of_a_killed_process_are_written_over(project):
    edit_set, images = open_set(project), pictures(3)
    project.edits.add(edit_set, columns([0]), parts(images[:1]))
    file = project.edits.folder(edit_set.id) / edit_set.file
    with file.open("ab") as stream:
        stream.write(b"half an edit")
    project.edits.add(edit_set, columns([1, 2]), parts(images[1:]))
    assert file.stat().st_size == 36
    index = project.edits.index(edit_set.id)
    assert (project.edits.pixels(edit_set).gather(index.place) == np.stack(images)).all()


def test_killed_between_file_and_row_nothing_is_lost_or_doubled(project, tmp_path):
    """kill -9 after the bytes are on the disk and before the row names them."""
    edit_set = open_set(project)
    project.edits.add(edit_set, columns([0]), parts(pictures(1)))
    program = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from cad_studio.store import edits
        from cad_studio.store.projects import Project
        from tests.store.test_edits import columns, parts, pictures, open_set
        project = Project(Path({str(tmp_path / "project")!r}))
        original = edits.append
        def dies(*given):
            original(*given)
            os.kill(os.getpid(), signal.SIGKILL)
        edits.append = dies
        project.edits.add(open_set(project), columns([1, 2]), parts(pictures(2, seed=1)))
        """
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert done.returncode == -9
    file = project.edits.folder(edit_set.id) / edit_set.file
    assert file.stat().st_size == 36
    assert project.edits.index(edit_set.id).row.tolist() == [0]
    images = pictures(2, seed=1)
    project.edits.add(edit_set, columns([1, 2]), parts(images))
    index = project.edits.index(edit_set.id)
    assert index.row.tolist() == [0, 1, 2]
    assert (project.edits.pixels(edit_set).gather(index.place[1:]) == np.stack(images)).all()


def test_a_full_disk_is_told_and_takes_nothing(project, monkeypatch):
    edit_set = open_set(project)
    project.edits.add(edit_set, columns([0]), parts(pictures(1)))

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(edit_files.os, "fsync", full)
    with pytest.raises(StorageError, match="the edits made so far are kept"):
        project.edits.add(edit_set, columns([1]), parts(pictures(1)))
    monkeypatch.undo()
    assert project.edits.index(edit_set.id).row.tolist() == [0]
    project.edits.add(edit_set, columns([1]), parts(pictures(1, seed=3)))
    assert project.edits.index(edit_set.id).row.tolist() == [0, 1]


def test_large_edits_are_encoded_at_any_size_grey_or_colour(tmp_path):
    images = [
        np.full(shape, value, np.uint8)
        for value, shape in ((200, (50, 70, 3)), (90, (1, 1, 3)), (30, (512, 8, 1)))
    ]
    data = [encode(image, None) for image in images]
    file = tmp_path / "edits-1.bin"
    places = append(file, 0, data)
    for image, place, part in zip(images, places, data, strict=True):
        found = EditPixels(file, None).one(place, len(part))
        assert found.shape[:2] == image.shape[:2]
        assert abs(int(found.mean()) - int(image.mean())) <= 3


def test_evidence_is_kept_by_judge_and_replaced_by_the_same(project):
    edit_set = open_set(project)
    project.edits.add(edit_set, columns([0, 1]), parts(pictures(2)))
    ids = project.edits.index(edit_set.id).id

    def said(after):
        return Evidence(ids, np.array([0.1, 0.2]), np.array(after), np.array([0, 1]), ids * 0)

    project.edits.add_evidence("a", said([0.5, 0.6]))
    project.edits.add_evidence("a", said([0.7, 0.8]))
    project.edits.add_evidence("b", said([0.0, 0.1]))
    assert project.edits.evidence(edit_set.id, "a").after.tolist() == [0.7, 0.8]
    assert project.edits.evidence(edit_set.id, "b").after.tolist() == [0.0, 0.1]
    assert project.edits.evidence(edit_set.id, "c").after.tolist() == []


def test_some_are_deleted_and_the_gaps_close(project):
    edit_set, images = open_set(project), pictures(6)
    project.edits.add(edit_set, columns(range(6)), parts(images))
    index = project.edits.index(edit_set.id)
    kept = index.take(index.row % 2 == 1)
    assert project.edits.keep_only(edit_set, kept) == 36
    renewed, left = project.edits.get(edit_set.id), project.edits.index(edit_set.id)
    assert left.row.tolist() == [1, 3, 5]
    assert (project.edits.pixels(renewed).gather(left.place) == np.stack(images[1::2])).all()
    project.edits.add(renewed, columns([0]), parts(images[:1]))
    left = project.edits.index(edit_set.id)
    assert (project.edits.pixels(renewed).gather(left.place[-1:])[0] == images[0]).all()


def test_a_set_goes_with_its_files_and_with_its_dataset(project):
    first, second = open_set(project), open_set(project, "other")
    for edit_set in (first, second):
        project.edits.add(edit_set, columns([0]), parts(pictures(1)))
    assert project.edits.delete(first.id) == 12
    assert not project.edits.folder(first.id).exists()
    with pytest.raises(RecordNotFoundError, match="edits list"):
        project.edits.get(first.id)
    with project.removing() as removal:
        project.datasets.remove(COLUMNS["name"])
    assert removal.freed_bytes >= 12
    assert not project.edits.folder(second.id).exists()


def test_pixels_left_by_a_kill_while_gaps_were_closed_are_removed(project):
    """They stayed for ever, as large as the whole set."""
    edit_set = open_set(project)
    project.edits.add(edit_set, columns([1, 2, 3]), parts(pictures(3)))
    old = project.edits.folder(edit_set.id) / edit_set.file
    whole = old.read_bytes()
    project.edits.keep_only(edit_set, project.edits.index(edit_set.id).take(np.array([0, 2])))
    old.write_bytes(whole)
    next_one = old.with_name("edits-3.bin")
    next_one.write_bytes(b"being written")
    with project.removing() as removal:
        pass
    assert removal.freed_bytes >= len(whole)
    assert not old.exists()
    assert next_one.exists()
    renewed = project.edits.get(edit_set.id)
    images = project.edits.pixels(renewed).gather(project.edits.index(edit_set.id).place)
    assert (images == np.stack(pictures(3))[[0, 2]]).all()


def test_edits_are_found_by_row_and_by_number(project):
    edit_set = open_set(project)
    project.edits.add(edit_set, columns([1, 2, 1], [0, 0, 1]), parts(pictures(3)))
    index = project.edits.index(edit_set.id)
    assert project.edits.of_row(edit_set.id, 1).label.tolist() == [0, 1]
    numbers = [int(index.id[2]), 99, int(index.id[0])]
    assert project.edits.some(edit_set.id, numbers).id.tolist() == [numbers[2], numbers[0]]
    assert project.edits.last(edit_set.id) == index.id[2]
    with pytest.raises(RecordNotFoundError, match="Edit set 9"):
        project.edits.get(9)
