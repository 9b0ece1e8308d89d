"""The simulated annotator: what it answers, what it measures, and what it leaves alone."""

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.annotation.simulation import SimulationConfig
from cad_studio.services.container import Services
from tests.services.annotating import NAME, make


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulation")
    services = Services(AppConfig(folder / "project"))
    make(services, folder)
    yield services
    services.close()


@pytest.mark.parametrize("queue", ["expected-gain", "least-certain", "entangled", "random"])
def test_answers_settle_samples_and_nothing_is_saved(services, queue):
    before = services.datasets.get(NAME).version
    found = services.simulation.simulate(NAME, SimulationConfig(queue, actions=12, every=5))
    assert found["queue"] == queue
    assert found["actions"] == 12
    assert [point["actions"] for point in found["curve"]] == [0, 5, 10, 12]
    assert found["changed"] >= 12 if queue != "entangled" else found["changed"] > 0
    assert found["pairs_after"] <= found["pairs_before"]
    assert services.datasets.get(NAME).version == before
    assert services.history.newest(NAME)["head"] == 0


def test_all_answers_give_all_true_labels(services):
    found = services.simulation.simulate(NAME, SimulationConfig("random", actions=500))
    assert found["disambiguation_after"] == 1.0
    assert found["pairs_after"] == 0
    assert found["actions"] < 54


def test_errors_name_another_candidate(services):
    wrong = services.simulation.simulate(NAME, SimulationConfig("random", 500, error_rate=1.0))
    assert wrong["disambiguation_after"] == 0.0


def test_the_seed_says_everything(services):
    def go(seed):
        found = services.simulation.simulate(NAME, SimulationConfig("random", 8, seed, 0.3))
        return {key: value for key, value in found.items() if key != "seconds"}

    assert go(3) == go(3)
    assert go(3) != go(4)


def test_short_training_on_a_copy_leaves_the_project_alone(services):
    runs = services.runs.all()
    _, sets = services.simulation.annotated(NAME, SimulationConfig("random", 10))
    for each in (None, sets):
        found = services.simulation.train(NAME, each, 1, 0, Silent())
        assert 0 <= found["accuracy"] <= 1
    assert services.runs.all() == runs
    assert services.datasets.get(NAME).version.number == 1
    assert not list((services.project.folder / "scratch").glob("simulation-*"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"queue": "selection"}, "goes through a list"),
        ({"queue": "fastest"}, "not a known queue"),
        ({"actions": 0}, "the least is 1"),
        ({"error_rate": 2.0}, "the most is 1.0"),
    ],
)
def test_what_cannot_be_simulated_is_told(services, config, words):
    with pytest.raises(SettingError, match=words):
        services.simulation.simulate(NAME, SimulationConfig(**config))


def test_without_true_labels_there_is_nobody_to_answer(services, tmp_path):
    from tests.services.small import save, store

    file = save(
        tmp_path / "open.npz",
        images=np.zeros((5, 4, 4), np.uint8) + np.arange(5, dtype=np.uint8)[:, None, None],
        candidates=np.ones((5, 3), bool),
        class_names=np.array(["a", "b", "c"]),
    )
    store(services, file, "open")
    with pytest.raises(SettingError, match="no true labels"):
        services.simulation.simulate("open", SimulationConfig())
