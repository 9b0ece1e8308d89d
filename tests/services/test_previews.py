"""Looking at samples and pairs: odd ones, and what is chosen when nothing is said."""

import numpy as np
import pytest

from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.services.edits.previews import PreviewRequest
from tests.services.small import noise, picture_folder, store


@pytest.fixture
def ready(judged):
    return judged


def look(services, *rows, **changes):
    return services.previews.look("b", PreviewRequest(rows, **changes))


def test_a_sample_without_candidates_has_no_likeliest_class(ready):
    """The first class was given out for it."""
    dense = ready.datasets.load("b").candidates.dense(slice(None))
    dense[3:5] = False
    with ready.project.saving():
        blob = ready.project.blobs.save_array(PartialLabels.from_dense(dense).packed)
        ready.project.datasets.add_version("b", blob, "none of these", {})
    (alone,) = look(ready, 3)["samples"]
    assert (alone["best"], alone["labels"], alone["views"]) == (None, [], {})
    one = look(ready, 3, 9)["pair"]
    assert one["guides"][0] is None
    assert one["guides"][1] in ready.datasets.load("b").candidates.of(9)
    assert one["after"] == {}
    assert look(ready, 3, 4)["pair"]["guides"] == [None, None]


def test_guides_are_one_for_each_sample_and_among_its_candidates(ready):
    """One guide for two samples was an unexpected error, and any class was taken."""
    candidates = ready.datasets.load("b").candidates
    row = int(np.flatnonzero(candidates.sizes() == 1)[0])
    own, other = candidates.of(row)[0], (candidates.of(row)[0] + 1) % 3
    with pytest.raises(SettingError, match="1 guides are given for 2 samples"):
        look(ready, row, 9, guides=(own,))
    with pytest.raises(SettingError, match=f"Class {other} is no candidate of row {row}"):
        look(ready, row, 9, guides=(other, candidates.of(9)[0]))
    assert look(ready, row, 9, guides=(own, candidates.of(9)[0]))["pair"]["guides"][0] == own


def test_maps_fade_as_much_as_in_training_unless_a_value_is_given(ready, tmp_path):
    """Photographs were shown with 0.5, and trained on with 0.3."""
    assert ready.previews.epsilon("b") == 0.5
    row = int(np.flatnonzero(ready.datasets.load("b").candidates.sizes() > 1)[0])

    def similar(**changes):
        (sample,) = look(ready, row, with_edits=False, cam="plain", **changes)["samples"]
        return [view["similarity"] for view in sample["views"]["cam"].values()]

    assert similar() == similar(epsilon=0.5) != similar(epsilon=0.3)
    large = picture_folder(tmp_path / "large", [noise(100, 120, 3, seed=at) for at in range(2)])
    (large / "metadata.csv").write_text("file_name,candidates\n0.png,a|b\n1.png,a|b")
    store(ready, large, "large")
    assert ready.previews.epsilon("large") == 0.3
