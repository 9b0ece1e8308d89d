"""The in-domain denoiser: learns from candidates alone, resumes exactly, and aims at a class."""

import hashlib

import numpy as np
import pytest
import torch

from cad_studio.core.errors import DatasetFormatError, JobCancelled, SettingError
from cad_studio.core.progress import Silent
from cad_studio.models import component_denoiser
from cad_studio.models.denoiser import DenoiserCard, denoise, load_denoiser, make_denoiser
from cad_studio.training.denoiser_settings import DenoiserConfig
from cad_studio.training.denoising import SAMPLES_FOLDER, DenoiserTrainer
from tests.training.runs import StopsAfter, small_images

QUICK = {"epochs": 2, "batch_size": 16, "width": 8, "threads": 1, "device": "cpu"}


def belief_of(data):
    dense = data.candidates.dense(data.train_rows)
    return (dense / dense.sum(axis=1, keepdims=True)).astype(np.float32)


def train(folder, data, progress=None, belief=None, **changes):
    belief = belief_of(data) if belief is None else belief
    config = DenoiserConfig(**{**QUICK, **changes})
    return DenoiserTrainer(data, belief, config, folder).fit(progress or Silent())


def weights(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def data():
    return small_images(class_names=["a", "b", "c", "d"])


def test_weights_and_a_sample_grid_are_left_for_each_epoch(tmp_path, data):
    file = train(tmp_path, data)
    loaded = load_denoiser(file)
    assert loaded.card.class_names == ["a", "b", "c", "d"]
    assert loaded.card.epoch == 1
    grids = sorted(path.name for path in (tmp_path / SAMPLES_FOLDER).iterdir())
    assert grids == ["epoch-000000.png", "epoch-000001.png"]
    assert file.stat().st_size < 10_000_000


def test_stopped_and_resumed_equals_uninterrupted(tmp_path, data):
    whole = train(tmp_path / "whole", data)
    with pytest.raises(JobCancelled):
        train(tmp_path / "parts", data, StopsAfter(4, lambda message: "Epoch" in message))
    assert weights(train(tmp_path / "parts", data)) == weights(whole)


def test_true_labels_never_influence_it(tmp_path, data):
    shuffled = small_images(
        class_names=["a", "b", "c", "d"], truth=np.random.default_rng(1).permutation(data.truth)
    )
    first = train(tmp_path / "first", data)
    assert weights(train(tmp_path / "second", shuffled)) == weights(first)


def test_an_edit_moves_towards_its_class_and_strength_zero_changes_nothing(tmp_path):
    data = small_images(n_train=128, class_names=["a", "b", "c", "d"])
    # Brightness is the class: with sure beliefs a bright class must come out brighter.
    sure = np.eye(4, dtype=np.float32)[data.truth[data.train_rows]]
    made = train(tmp_path, data, belief=sure, epochs=14, width=16, learning_rate=4e-3)
    denoiser = load_denoiser(made)
    pixels = torch.from_numpy(data.pixels.batch(data.test_rows[:12], 20, 20, 1))
    folded = denoiser.fold(pixels.permute(0, 3, 1, 2).float() / 255)
    noise = torch.randn(folded.shape, generator=torch.Generator().manual_seed(0))

    def edited(label, strength):
        aimed = torch.full((12,), label)
        return denoiser.unfold(denoise(denoiser, folded, aimed, noise, strength, 2.0, 8))

    assert edited(3, 0.9).mean() > edited(0, 0.9).mean() + 0.2
    assert torch.allclose(edited(3, 0.0), denoiser.unfold(folded))


def test_a_width_a_unet_cannot_have_is_refused_when_it_is_asked_for():
    """It was found out by the job, as an unexpected error."""
    with pytest.raises(SettingError, match=r"width is 100; .* multiple of 8, such as 96"):
        DenoiserConfig(network="unet", width=100)
    assert DenoiserConfig(network="unet", width=104).width == 104
    assert DenoiserConfig(width=100).width == 100


def test_components_are_sought_among_as_many_images_as_memory_is_given_for(monkeypatch):
    """Many copies of 16,384 images were held, gigabytes of larger ones."""
    images = torch.rand(96, 1, 6, 6, generator=torch.Generator().manual_seed(0))

    def prepared(batches, n_bytes):
        monkeypatch.setattr(component_denoiser, "_MOST_BYTES", n_bytes)
        card = DenoiserCard(["a", "b"], 6, 1, [8, 1, 5], network="components")
        made = make_denoiser(card)
        torch.manual_seed(1)
        made.prepare(batches)
        return made

    whole = prepared(iter(images.split(16)), 1 << 20)
    turned = [part.flatten(1) for batch in images.split(16) for part in (batch, batch.flip(3))]
    flat = torch.cat(turned) * 2 - 1
    torch.manual_seed(1)
    _, _, basis = torch.pca_lowrank(flat - flat.mean(dim=0), q=5, center=False, niter=4)
    assert torch.equal(whole.basis, basis)
    batches = iter(images.split(16))
    few = prepared(batches, 8 * 36 * 20)
    assert len(list(batches)) == 4
    assert torch.equal(few.mean, prepared([images[:16], images[16:20]], 1 << 20).mean)
    assert prepared(iter(images.split(16)), 1).basis.isfinite().all()


def test_what_is_wrong_is_told_in_words(tmp_path, data):
    dense = data.candidates.dense(data.train_rows)
    outside = belief_of(data) + np.where(dense, 0, 0.1).astype(np.float32)
    with pytest.raises(SettingError, match="not one over the candidates"):
        train(tmp_path, data, belief=outside)
    train(tmp_path, data, epochs=1)
    with pytest.raises(SettingError, match="other settings"):
        train(tmp_path, data, epochs=1, width=16)
    other = belief_of(data)[::-1] * data.candidates.dense(data.train_rows)
    other = (other + belief_of(data)) / (other + belief_of(data)).sum(axis=1, keepdims=True)
    with pytest.raises(SettingError, match="other settings, samples or beliefs"):
        train(tmp_path, data, epochs=1, belief=other.astype(np.float32))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no weights")
    with pytest.raises(DatasetFormatError, match="edit-model"):
        load_denoiser(damaged)
