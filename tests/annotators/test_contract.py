"""What every annotator promises, and how the training behaves around it."""

from dataclasses import replace

import numpy as np
import pytest

from cad_studio.annotators import _inputs
from cad_studio.annotators._base import ANNOTATORS, AUTO, AnnotatorConfig
from cad_studio.annotators.flipping import synthesise_candidates
from cad_studio.annotators.training import choose_annotator, epochs_made, train_annotator
from cad_studio.core.errors import JobCancelled, SettingError
from cad_studio.core.progress import Silent
from tests.array_pixels import ArrayPixels

QUICK = AnnotatorConfig(epochs=1, least_steps=25, batch_size=32, learning_rate=0.003, threads=1)
N_CLASSES = 3


def bright_bands(n_samples, height, width, channels, seed=0):
    """Noisy images whose bright horizontal band tells the class; trivially separable."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, N_CLASSES, n_samples).astype(np.int32)
    images = generator.integers(0, 60, (n_samples, height, width, channels)).astype(np.uint8)
    band = height // N_CLASSES
    for row, y in enumerate(truth):
        images[row, y * band : (y + 1) * band] += 150
    return ArrayPixels(images), truth


def blobs(n_samples, width, seed=0):
    """Feature vectors around one centre a class, with very different scales and a constant."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, N_CLASSES, n_samples).astype(np.int32)
    centres = generator.standard_normal((N_CLASSES, width)) * 6
    features = centres[truth] + generator.standard_normal((n_samples, width))
    features *= np.logspace(-3, 3, width)
    features[:, 0] = 1e4
    return features.astype(np.float32), truth


def train(pixels, features, truth, config=QUICK, seed=0, progress=None, rows=None):
    rows = np.arange(len(truth)) if rows is None else rows
    progress = progress or Silent()
    return train_annotator(pixels, features, truth, rows, N_CLASSES, config, seed, progress)


@pytest.mark.long
@pytest.mark.parametrize("name", ANNOTATORS.names())
@pytest.mark.parametrize("size", [(9, 12, 1), (20, 16, 3)])
def test_every_annotator_learns_bright_bands_and_repeats_itself(name, size):
    pixels, truth = bright_bands(160, *size)
    # Labels of the last rows are unknown: they are asked about, never learnt from.
    truth[120:] = -1
    config = replace(QUICK, name=name)
    result = train(pixels, None, truth, config, rows=np.arange(120))
    assert result.name == name
    assert result.logits.shape == (160, N_CLASSES)
    assert result.logits.dtype == np.float32
    assert result.train_accuracy > 0.95
    _, known = bright_bands(160, *size)
    assert (result.logits[120:].argmax(axis=1) == known[120:]).mean() > 0.9
    again = train(pixels, None, truth, config, rows=np.arange(120))
    np.testing.assert_array_equal(result.logits, again.logits)
    other = train(pixels, None, truth, config, seed=1, rows=np.arange(120))
    assert not np.array_equal(result.logits, other.logits)


@pytest.mark.parametrize("name", ANNOTATORS.names())
def test_in_evaluation_a_sample_does_not_depend_on_its_batch(name):
    torch = pytest.importorskip("torch")
    annotator = ANNOTATORS.get(name)()
    shape = annotator.image_shape((28, 28, 1))
    network = annotator.build(shape, 5).eval()
    batch = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole, alone = network(batch), network(batch[2:3])
    torch.testing.assert_close(whole[2:3], alone, atol=1e-5, rtol=1e-4)
    assert whole.shape == (6, 5)


def test_feature_vectors_are_learnt_whatever_their_scale():
    features, truth = blobs(300, 20)
    result = train(None, features, truth)
    assert result.name == "mlp"
    assert result.train_accuracy > 0.98
    sets = synthesise_candidates(result.logits, truth, 1.0, np.random.default_rng(0))
    assert sets.contains(truth).all()


def test_images_beyond_the_memory_limit_give_the_same_logits(monkeypatch):
    pixels, truth = bright_bands(90, 8, 8, 1)
    resident = train(pixels, None, truth)
    monkeypatch.setattr(_inputs, "RESIDENT_BYTES", 0)
    np.testing.assert_array_equal(train(pixels, None, truth).logits, resident.logits)


def test_the_callers_torch_state_is_left_alone():
    import torch

    features, truth = blobs(40, 4)
    torch.manual_seed(11)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    train(None, features, truth, replace(QUICK, threads=threads + 1))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_two_samples_are_enough_and_one_is_refused():
    features, truth = blobs(2, 4)
    assert train(None, features, truth, replace(QUICK, least_steps=1)).logits.shape == (2, 3)
    with pytest.raises(SettingError, match="2 labelled samples or more, not 1"):
        train(None, features, truth, rows=np.array([1]))


def test_an_unknown_label_among_the_training_rows_is_named_by_its_row():
    features, truth = blobs(30, 4)
    truth[[7, 9]] = -1
    with pytest.raises(SettingError, match=r"2 of 25 samples have .* \(first: row 7\)"):
        train(None, features, truth, rows=np.arange(5, 30))


def test_a_diverged_training_says_what_to_lower():
    features, truth = blobs(60, 4)
    truth[0] = 0
    with pytest.raises(SettingError, match="diverged at learning_rate"):
        train(None, features * np.float32("nan"), truth)


def watched(stop_at, seen):
    def watch(epoch, ask):
        seen[epoch] = ask(np.array([5, 0]))
        return epoch == stop_at

    return watch


@pytest.mark.parametrize("name", ANNOTATORS.names())
def test_watching_changes_nothing_and_a_stop_equals_a_shorter_training(name):
    pixels, truth = bright_bands(90, 9, 9, 1)
    rows = np.arange(90)
    config = replace(QUICK, name=name, epochs=5, least_steps=1)
    plain = train(pixels, None, truth, config)
    seen: dict[int, np.ndarray] = {}
    whole, stopped = (
        train_annotator(
            pixels, None, truth, rows, N_CLASSES, config, 0, Silent(), watch=watched(stop_at, seen)
        )
        for stop_at in (None, 3)
    )
    np.testing.assert_array_equal(whole.logits, plain.logits)
    assert (plain.epochs, whole.epochs, stopped.epochs) == (5, 5, 3)
    shorter = train(pixels, None, truth, replace(config, epochs=3))
    np.testing.assert_array_equal(stopped.logits, shorter.logits)
    np.testing.assert_allclose(seen[3], shorter.logits[[5, 0]], rtol=1e-4, atol=1e-5)
    assert sorted(seen) == [1, 2, 3, 4, 5]


def test_a_small_dataset_makes_the_epochs_that_its_fewest_steps_need():
    # 60 rows in batches of 32 are one batch an epoch, so 25 steps take 25 epochs
    assert epochs_made(QUICK, 60) == 25
    assert epochs_made(QUICK, 64) == 13
    assert epochs_made(replace(QUICK, epochs=40), 64) == 40
    features, truth = blobs(60, 4)
    assert train(None, features, truth).epochs == 25


class Stop:
    """Progress that asks to stop once something is said for the second time in training."""

    def __init__(self):
        self.heard = []

    def report(self, fraction, message):
        self.heard.append((fraction, message))
        if sum("Training" in text for _, text in self.heard) == 2:
            raise JobCancelled


def test_cancelling_ends_the_training_within_a_few_steps():
    import torch

    pixels, truth = bright_bands(64, 8, 8, 1)
    stop, threads = Stop(), torch.get_num_threads()
    with pytest.raises(JobCancelled):
        train(pixels, None, truth, progress=stop)
    assert torch.get_num_threads() == threads
    fractions = [fraction for fraction, _ in stop.heard]
    assert fractions == sorted(fractions)
    assert stop.heard[-1][1] == "Training the annotator, epoch 5 of 13"


@pytest.mark.parametrize(
    ("shape", "name"),
    [((28, 28, 1), "mlp"), ((32, 32, 3), "cnn"), ((64, 64, 1), "cnn")],
)
def test_auto_takes_the_mlp_for_small_grey_images_only(shape, name):
    pixels = ArrayPixels(np.zeros((1, *shape), np.uint8))
    assert choose_annotator(pixels, None, AUTO) == name


def test_the_cnn_refuses_feature_vectors_and_nothing_at_all_is_refused():
    with pytest.raises(SettingError, match=r"cnn annotator needs images.*Choose mlp"):
        choose_annotator(None, np.zeros((2, 2), np.float32), "cnn")
    with pytest.raises(SettingError, match="needs images or feature vectors"):
        choose_annotator(None, None, AUTO)


def test_the_setting_offers_every_registered_annotator():
    field = AnnotatorConfig.__dataclass_fields__["name"]
    assert field.metadata["choices"] == (AUTO, *ANNOTATORS.names())
    with pytest.raises(SettingError, match="batch_size is 1; the least is 2"):
        AnnotatorConfig(batch_size=1)
