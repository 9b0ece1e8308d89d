"""Features of every odd kind, from extraction to a head, a queue and a belief: used, or told."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import (
    DatasetFormatError,
    JobCancelled,
    ResourceError,
    SettingError,
)
from cad_studio.core.progress import Silent
from cad_studio.extractors import _chunked
from cad_studio.services.container import Services
from tests.extractors.tiny_models import save_tiny_vit
from tests.services.small import save, sets, store
from tests.services.test_heads import head_run
from tests.services.test_training import N_TEST, N_TRAIN, pictures

N_SAMPLES = N_TRAIN + N_TEST
NAME = "shades"


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad-features")
    services = Services(AppConfig(folder / "project"))
    pictures(services, folder)
    yield services
    services.close()


def saved(folder, array):
    np.save(folder / "vectors.npy", np.asarray(array, np.float32))
    return f"npy:{folder / 'vectors.npy'}"


def vectors(width, n_samples=N_SAMPLES):
    return np.random.default_rng(width).normal(size=(n_samples, width)).astype(np.float32)


def broken(row, value):
    array = vectors(4)
    array[row] = value
    return array


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (vectors(4, N_SAMPLES - 1), f"has {N_SAMPLES - 1} rows; the dataset has {N_SAMPLES}"),
        (broken(5, np.nan), r"1 of \d+ .* NaN or infinity \(first: row 5\)"),
        (broken(7, np.inf), r"NaN or infinity \(first: row 7\)"),
        (broken(3, 0.0), r"zero and so have no direction \(first: row 3\)"),
        (np.ones((N_SAMPLES, 5)), "vectors of .* are equal"),
        (np.zeros((N_SAMPLES, 0)), "it is empty"),
    ],
    ids=["rows missing", "NaN", "infinite", "zero", "constant", "no numbers"],
)
def test_features_that_say_nothing_are_refused_everywhere_and_leave_nothing(
    services, tmp_path, array, words
):
    spec = saved(tmp_path, array)
    before = services.mining.feature_sets(NAME)
    for use in (
        lambda: services.mining.extract(NAME, spec, Silent()),
        lambda: services.beliefs.graph(NAME, spec, Silent()),
        lambda: services.diagnosis.suspects.find(NAME, None, spec, 0, Silent()),
        lambda: head_run(services, f"features:{spec}", "proden"),
    ):
        with pytest.raises(DatasetFormatError, match=words):
            use()
    assert services.mining.feature_sets(NAME) == before


@pytest.mark.long
@pytest.mark.parametrize("width", [1, 20_000])
def test_very_narrow_and_very_wide_features_teach_a_head_and_fill_a_queue(
    services, tmp_path, width
):
    spec = saved(tmp_path, vectors(width))
    result = head_run(services, f"features-linear:{spec}", "proden", epochs=1)
    assert 0 <= result["test_accuracy"] <= 1
    queue = services.queues.open(NAME, "diverse", settings={"features": spec})
    assert services.queues.take(NAME, queue.id, "anna", 3)
    belief = services.beliefs.standing(NAME, spec, Silent()).belief
    np.testing.assert_allclose(belief.sum(axis=1), 1.0, atol=1e-5)
    services.mining.best_features(NAME)


def test_a_changed_model_is_another_and_what_a_lost_one_gave_is_kept(services, tmp_path):
    folder = save_tiny_vit(tmp_path / "vit")
    spec = f"hf:{folder}"
    first = services.mining.extract(NAME, spec, Silent())
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    second = services.mining.extract(NAME, spec, Silent())
    assert (second.id != first.id, second.key != first.key) == (True, True)
    assert services.mining.stored(NAME, spec).id == second.id
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert services.mining.extract(NAME, spec, Silent()).id == second.id
    assert len(services.beliefs.graph(NAME, spec, Silent()).index) == N_SAMPLES
    assert head_run(services, f"features:{spec}", "proden", epochs=1)["run"]
    with pytest.raises(ResourceError, match="cannot be loaded here"):
        services.mining.extract(NAME, f"{spec}-of-another", Silent())


def test_a_model_that_brings_code_is_refused_and_its_code_never_runs(services, tmp_path):
    folder = tmp_path / "brings-code"
    folder.mkdir()
    marker = tmp_path / "it-ran"
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Config: pass\n")
    config = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config",
                                                 "AutoModel": "evil.Config"}}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ResourceError, match="cannot be loaded here"):
        services.mining.extract(NAME, f"hf:{folder}", Silent())
    assert not marker.exists()


def test_features_belong_to_the_images_they_are_of(services, tmp_path):
    """Other images under the same name: what is stored of the first is not taken for them."""
    pictures(services, tmp_path, name="other", seed=9)
    services.mining.extract(NAME, "pixels", Silent())
    assert services.mining.stored("other", "pixels") is None
    made = services.mining.extract("other", "pixels", Silent())
    assert made.id != services.mining.stored(NAME, "pixels").id


def test_two_who_want_the_same_features_at_once_both_get_them(services, tmp_path, monkeypatch):
    """The first to end threw away the parts that the second was still writing."""
    monkeypatch.setattr(_chunked, "PART_SIZE", 8)
    spec = f"hf:{save_tiny_vit(tmp_path / 'vit')},size=16"  # equal weights, no equal features
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: services.mining.extract(NAME, spec, Silent()), range(2)))
    assert made[0] == made[1]


def test_an_extraction_that_was_stopped_stores_nothing_and_goes_on(services, tmp_path, monkeypatch):
    monkeypatch.setattr(_chunked, "PART_SIZE", 8)
    spec = f"hf:{save_tiny_vit(tmp_path / 'vit')},mirror"

    class Stop:
        def report(self, fraction, message):
            if fraction > 0.5:
                raise JobCancelled

    with pytest.raises(JobCancelled):
        services.mining.extract(NAME, spec, Stop())
    assert services.mining.stored(NAME, spec) is None
    kept = len(list((services.project.folder / "partial").glob("*/*.npy")))
    assert kept >= N_SAMPLES // 2 // 8
    assert services.mining.extract(NAME, spec, Silent()).n_dims == 16
    assert not list((services.project.folder / "partial").glob("*/*.npy"))


def test_a_queue_by_features_that_are_none_is_told(services):
    with pytest.raises(SettingError, match="not a known feature extractor"):
        services.queues.open(NAME, "typical", settings={"features": "eyes"})


def test_images_of_one_colour_each_get_features_that_tell_them_apart(tmp_path):
    """They have no gradients, so `best` chose features that could not be extracted."""
    services = Services(AppConfig(tmp_path / "project"))
    shades = np.linspace(0, 255, 12).astype(np.uint8)
    images = np.broadcast_to(shades[:, None, None], (12, 8, 8)).copy()
    candidates = sets(12, 3, np.arange(12) % 3, 1)
    store(services, save(tmp_path / "flat.npz", images=images, candidates=candidates), name="flat")
    with pytest.raises(DatasetFormatError, match=r"vectors of hog are equal.*Choose another"):
        services.mining.extract("flat", "hog", Silent())
    assert services.mining.best_features("flat") == "pixels"
    queue = services.queues.open("flat", "least-certain", "ann")
    (item, *_) = services.queues.take("flat", queue.id, "ann")
    card = services.cards.of_item("flat", item, "ann")
    assert card["sides"][0]["neighbours"]["features"] == "pixels"
    assert card["sides"][0]["neighbours"]["rows"]
    images[0, 0, 0] = 99  # one edge is enough for gradients
    store(services, save(tmp_path / "edge.npz", images=images, candidates=candidates), name="edge")
    assert services.mining.best_features("edge") == "hog"
    services.close()
