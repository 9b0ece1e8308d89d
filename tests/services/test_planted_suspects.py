"""On the bundled sample, sets that were made wrong on purpose are found."""

import numpy as np
import pytest

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.services.sample import SAMPLE_FILE
from tests.services.small import store

LEAST_PRECISION, LEAST_RECALL = 0.85, 0.40
"""Measured: precision 0.86 and recall 0.42 where 2 % of the sets lack their truth."""


@pytest.fixture
def planted(services):
    """The sample with the truth taken out of the sets of 2 % of its training samples."""
    store(services, SAMPLE_FILE, name="sample")
    data = services.datasets.load("sample")
    rows = np.flatnonzero(data.splits == data.record.split_names.index("train"))
    chance = np.random.default_rng(0)
    wrong = np.sort(chance.choice(rows, len(rows) // 50, replace=False))
    dense = data.candidates.dense()
    dense[wrong, data.truth[wrong]] = False
    for row in wrong[~dense[wrong].any(axis=1)]:
        dense[row, chance.choice(np.delete(np.arange(10), data.truth[row]))] = True
    packed = PartialLabels.from_dense(dense).packed
    with services.project.saving():
        file = services.project.blobs.save_array(packed)
        services.project.datasets.add_version("sample", file, "planted", {})
    return wrong, data.truth


def test_sets_that_lack_their_truth_are_found_with_the_class_they_lack(services, planted):
    wrong, truth = planted
    found = services.diagnosis.suspects.find("sample", None, "pixels", 0, Silent())
    outside = [each for each in found["suspects"] if each["kind"] == "outside"]
    hits = [each for each in outside if each["row"] in set(wrong.tolist())]
    precision, recall = len(hits) / len(outside), len(hits) / len(wrong)
    print(f"precision {precision:.3f}, recall {recall:.3f} of {len(wrong)} planted")
    assert precision >= LEAST_PRECISION
    assert recall >= LEAST_RECALL
    names = services.datasets.get("sample").class_names
    named = np.mean([names[truth[each["row"]]] == each["label"] for each in hits])
    assert named >= 0.9
    first = [each["row"] in set(wrong.tolist()) for each in outside[:40]]
    assert np.mean(first) >= 0.9
