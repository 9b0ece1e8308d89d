import json
from dataclasses import fields

from cad_studio.core.records import Dataset, DatasetVersion, FeatureSet, Job, Mining
from cad_studio.ui import views

VERSION = DatasetVersion(5, 2, 3, "0123456789ab", "sets.npy", "synthesize", {}, "2026-01-01")
DATA = Dataset(
    2, "birds", "images", 70, ["a", "b"], {}, 28, 28, 1, ["train"], [], {}, "/data/birds", {},
    "2026-01-01", [], VERSION,
)  # fmt: skip
MINING = Mining(
    4, 2, "0123456789ab", 6, {"quantile": 1e-3, "split": "train"}, "true", 0.9, 11, 10, 9,
    "exact", None, 0.5, {}, "2026-01-02",
)  # fmt: skip
FEATURES = FeatureSet(6, "hash", "pixels", "key", "28 x 28 grey pixels", "f.npy", 784, 1.0, "")


def job(**changes) -> Job:
    plain = {field.name: None for field in fields(Job)}
    plain |= {"id": 1, "kind": "mine", "title": "Find", "status": "running", "message": "Reading"}
    plain |= {"arguments": {"name": "birds"}, "fraction": 1 / 3, "position": 3, "attempts": 2}
    return Job(**{**plain, **changes})


def test_a_dataset_is_one_line_of_the_picker():
    assert views.dataset_entry(DATA, 15) == {
        "name": "birds",
        "kind": "images",
        "n": 70,
        "k": 2,
        "version": "0123456789ab",
        "version_number": 3,
        "changes": 15,
    }


def test_a_job_says_how_far_it_is_and_whose_it_is():
    entry = views.job_entry(job())
    assert (entry["fraction"], entry["dataset"], entry["status"]) == (0.3333, "birds", "running")
    assert (entry["position"], entry["attempts"]) == (3, 2)
    assert views.job_entry(job(arguments={}))["dataset"] is None


def test_a_job_does_not_tell_visitors_where_the_source_lies():
    entry = views.job_entry(job(arguments={"name": "birds", "source": "/home/ada/birds"}))
    assert "/home/ada" not in json.dumps(entry)


def test_a_search_is_stale_once_the_dataset_has_another_version():
    assert views.mining_entry(MINING, FEATURES, "0123456789ab", {})["stale"] is False
    entry = views.mining_entry(MINING, FEATURES, "ba9876543210", {"0123456789ab": 3})
    assert (entry["stale"], entry["version_number"]) == (True, 3)
    assert (entry["features"], entry["quantile"], entry["split"]) == ("pixels", 1e-3, "train")


def test_everything_shown_is_plain_json():
    for entry in (
        views.dataset_entry(DATA, 0),
        views.job_entry(job()),
        views.mining_entry(MINING, FEATURES, "x", {}),
    ):
        assert json.loads(json.dumps(entry)) == entry
