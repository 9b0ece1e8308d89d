"""Which features fit a dataset best, told from its candidate sets alone."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from cad_studio.core.errors import CadStudioError, DamageError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import Dataset, FeatureSet
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.services.datasets.loaded import ANNOTATION, LoadedDataset
from cad_studio.store.projects import Project

_NEIGHBOURS = 10
_LOOKED_AT = 32
_MOST_ROWS = 20_000
_MOST_QUERIES = 5_000
_MOST_BYTES = 256 << 20


def plain_spec(data: LoadedDataset) -> str:
    """The plainest extractor that tells the samples of a dataset apart, without any stored one.

    Images of one colour each have no gradients, so that to `hog` they are all alike.
    """
    if data.pixels is None:
        return "raw"
    rows = np.unique(np.linspace(0, len(data) - 1, min(len(data), _LOOKED_AT)).astype(np.int64))
    images = map(data.pixels.image, rows.tolist())
    try:
        is_flat = all(np.ptp(image, axis=(0, 1)).max() == 0 for image in images)
    except CadStudioError:  # what is damaged is told by whoever reads it all
        is_flat = False
    return "pixels" if is_flat else "hog"


def best_spec(project: Project, record: Dataset, stored: Sequence[FeatureSet]) -> str:
    """The extractor whose neighbours exclude each other least; of a spec the newest set counts.

    Args:
        project: Where features and earlier judgements are kept.
        record: The dataset.
        stored: Its features, oldest first; one or more.
    """
    newest = {found.spec: found for found in stored}
    if len(newest) == 1:
        return next(iter(newest))
    return max(newest.values(), key=lambda found: _agreement(project, record, found)).spec


def _agreement(project: Project, record: Dataset, found: FeatureSet) -> float:
    """Share of neighbours with a common candidate, among at most so many rows; kept."""
    versions = project.datasets.versions(record.name)
    # Not the first: what candidates were synthesised from are the true labels.
    base = [version for version in versions if version.reason != ANNOTATION][-1].candidates
    derived, origin = project.derived, found.file.partition(".")[0]
    file = f"{origin}-fit-{base.partition('.')[0]}.json"
    with suppress(DamageError):
        if derived.has(file):
            return float(derived.load_json(file)["shared"])
    features = project.blobs.load_array(found.file)
    n_rows = min(len(features), _MOST_ROWS, max(2, _MOST_BYTES // (4 * found.n_dims)))
    rows = np.linspace(0, len(features) - 1, n_rows).astype(np.int64)
    own = np.ascontiguousarray(features[rows])
    asked = np.arange(0, n_rows, max(1, n_rows // _MOST_QUERIES))
    near, _ = faiss_neighbours(own[asked], own, max(1, min(_NEIGHBOURS, n_rows - 1)), asked)
    sets = PartialLabels(project.blobs.load_array(base), record.n_classes)
    left, right = np.repeat(rows[asked], near.shape[1]), rows[near.ravel()]
    shared = float((sets.shared(left, right) > 0).mean()) if len(left) else 0.0
    derived.save_json(file, {"shared": shared})
    return shared
