"""A run's figures by the values of a field, and everything narrowed to one value."""

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from tests.services.annotating import request
from tests.services.test_training import N_TEST, N_TRAIN, pictures, train

N = N_TRAIN + N_TEST


@pytest.fixture(scope="module")
def sliced(tmp_path_factory):
    """A run on images of two cameras."""
    folder = tmp_path_factory.mktemp("slices")
    services = Services(AppConfig(folder / "project"))
    camera = np.array(["north", "south", ""])[np.arange(N) % 3]
    pictures(services, folder, camera=camera, age=np.arange(N, dtype=float))
    run = train(services, epochs=1)["run"]
    services.diagnosis.prepare(run, Silent())
    yield services, run
    services.close()


def test_slices_add_up_to_the_whole(sliced):
    services, run = sliced
    found = services.diagnosis.slices.of(run, "camera")
    assert {each["value"] for each in found["slices"]} == {"north", "south", "none"}
    assert sum(each["n"] for each in found["slices"]) == N_TEST
    right = sum(each["accuracy"] * each["n_known"] for each in found["slices"])
    whole = services.diagnosis.confusion.overview(run)["figures"]["accuracy"]
    assert right / N_TEST == pytest.approx(whole, abs=1e-4)
    ages = services.diagnosis.slices.of(run, "age", "all")["slices"]
    assert sum(each["n"] for each in ages) == N


def test_page_narrowed_to_a_value_holds_only_its_samples(sliced):
    services, run = sliced
    confusion = services.diagnosis.confusion
    for each in services.diagnosis.slices.of(run, "camera")["slices"]:
        about = confusion.overview(run, f"?{each['condition']}")
        assert about["n"] == each["n"]
        assert about["split"] == f"test?{each['condition']}"
        assert about["figures"]["accuracy"] == pytest.approx(each["accuracy"], abs=1e-4)
        counts = confusion.confusion_matrix(run, about["split"])
        assert counts.sum() == each["n"]
        rows = confusion.cell(run, "confusion", 0, 0, about["split"])
        assert len(rows) == counts[0, 0]
    for each in services.diagnosis.slices.of(run, "age", "all")["slices"]:
        assert confusion.overview(run, f"all?{each['condition']}")["n"] == each["n"]


def test_slice_by_a_tag_follows_the_tag(sliced):
    services, run = sliced
    confusion = services.diagnosis.confusion
    test_rows = list(range(N_TRAIN, N_TRAIN + 6))
    act = services.annotation.act
    act("shades", request("tag", test_rows, given={"tag": "odd"}))
    assert confusion.overview(run, "test?tag=odd")["n"] == 6
    act("shades", request("untag", test_rows[:2], given={"tag": "odd"}))
    assert confusion.overview(run, "test?tag=odd")["n"] == 4
    assert confusion.confusion_matrix(run, "test?tag=odd").sum() == 4


def test_map_is_coloured_by_fields(sliced):
    services, run = sliced
    modes = {each["key"]: each for each in services.diagnosis.colours.describe(run, None)["modes"]}
    assert modes["field:camera"]["values"] == ["north", "south", "none"]
    codes = np.frombuffer(services.diagnosis.colours.field_column(run, "camera"), np.uint8)
    assert np.array_equal(codes, np.arange(N) % 3)
    ages = np.frombuffer(services.diagnosis.colours.field_column(run, "age"), np.uint8)
    assert len(modes["field:age"]["values"]) == ages.max() + 2  # and one for none


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("test?camera=west", "No sample has camera 'west'"),
        ("test?lens=a", "'lens=a' is no condition on a field"),
        ("test?age=0..1", "No sample of test answers 'age=0..1'"),
        ("tset?camera=north", "'tset' is not a split"),
    ],
)
def test_slice_that_is_not_there_is_told(sliced, split, words):
    services, run = sliced
    with pytest.raises(SettingError, match=words):
        services.diagnosis.confusion.overview(run, split)
