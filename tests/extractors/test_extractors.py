import numpy as np
import pytest

from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.extractors._base import EXTRACTORS, make_extractor, parse
from tests.extractors.memory_pixels import MemoryPixels
from tests.extractors.tiny_models import save_tiny_vit, use_random_resnet

N_SAMPLES = 6


@pytest.fixture
def spec_of(tmp_path, monkeypatch):
    """A working spec of each registered extractor."""
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).standard_normal((N_SAMPLES, 5)))

    def spec(name):
        if name == "npy":
            return f"npy:{tmp_path / 'vectors.npy'}"
        if name == "hf":
            return f"hf:{save_tiny_vit(tmp_path / 'vit')}"
        if name == "torchvision":
            use_random_resnet(tmp_path, monkeypatch)
            return "torchvision:resnet18"
        return name

    return spec


@pytest.mark.parametrize("name", EXTRACTORS.names())
def test_every_extractor_gives_the_same_unit_rows_again(name, spec_of, tmp_path):
    generator = np.random.default_rng(1)
    spec = spec_of(name)
    pixels = MemoryPixels(generator.integers(0, 256, (N_SAMPLES, 12, 10, 3), np.uint8))
    raw = generator.standard_normal((N_SAMPLES, 7)).astype(np.float32)
    results = [
        make_extractor(spec).extract(pixels, raw, Silent(), tmp_path / f"parts{run}")
        for run in range(2)
    ]
    assert results[0].dtype == np.float32
    assert len(results[0]) == N_SAMPLES
    np.testing.assert_allclose(np.linalg.norm(results[0], axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(*results)
    extractor = make_extractor(spec)
    assert not extractor.describe().endswith(".")
    assert "\n" not in extractor.describe()
    assert extractor.key() == make_extractor(spec).key()


def test_a_spec_is_split_at_its_first_colon():
    member, argument = parse("npy:C:/data/x.npy")
    assert member is EXTRACTORS.get("npy")
    assert argument == "C:/data/x.npy"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pixel", "Closest: 'pixels'"),
        ("pixels:3", "takes no argument. Write pixels"),
        ("npy", "Write npy:FILE"),
        ("torchvision:", "e.g. torchvision:resnet18"),
    ],
)
def test_a_wrong_spec_says_what_to_write(spec, message):
    with pytest.raises(SettingError, match=message):
        parse(spec)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "with NaN or infinity"), (0.0, "that are zero")]
)
@pytest.mark.parametrize("name", ["raw", "npy"])
def test_a_vector_without_direction_is_counted_and_located(name, value, message, tmp_path):
    vectors = np.ones((9, 3), np.float32)
    vectors[[4, 7]] = value
    np.save(tmp_path / "bad.npy", vectors)
    extractor = make_extractor(f"npy:{tmp_path / 'bad.npy'}" if name == "npy" else name)
    with pytest.raises(DatasetFormatError, match=rf"2 of 9 .*{message}.*\(first: row 4\)"):
        extractor.extract(None, vectors, Silent(), tmp_path)


def test_raw_leaves_the_datasets_own_array_alone(tmp_path):
    raw = np.full((2, 4), 1e30, np.float32)
    features = make_extractor("raw").extract(None, raw, Silent(), tmp_path)
    np.testing.assert_allclose(features, 0.5)
    assert (raw == np.float32(1e30)).all()


def test_a_changed_file_has_another_key(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.eye(3))
    before = make_extractor(f"npy:{path}").key()
    np.save(path, 2 * np.eye(3))
    assert make_extractor(f"npy:{path}").key() != before


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((4, 2)), "has 4 rows; the dataset has 3 samples"),
        (np.ones(3), "does not hold a matrix"),
        (np.array([["a"]]), "does not hold a matrix"),
        (np.array([[None]]), "not a readable .npy file"),
    ],
)
def test_an_unsuitable_file_is_named(array, message, tmp_path):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    extractor = make_extractor(f"npy:{tmp_path / 'x.npy'}")
    with pytest.raises(DatasetFormatError, match=message):
        extractor.extract(None, np.ones((3, 1), np.float32), Silent(), tmp_path)
