"""Eight tiny images with candidates, and the steps of a trainer around any method."""

import dataclasses

import torch
from torch import nn

from cad_studio.algorithms._base import ALGORITHMS, Batch, Setup, make_algorithm
from cad_studio.algorithms._cad_paper import PAPER
from cad_studio.models._base import Backbone
from cad_studio.models.network import Network

N_CLASSES = 4
SIDE_PX = 8
ALL_VIEWS = {
    name: PAPER[name]
    for name in (
        "beta", "tau", "queue_size", "scores_from", "max_class_views", "class_view_share", "cam",
        "anchor",
    )
}  # fmt: skip
"""The paper's contrast over all candidates, with the slow copy and the passes of the defaults."""


class TinyBackbone(Backbone):
    """One convolution: 8 x 8 pixels to a map of 2 x 2."""

    width = 8

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 4, 4, bias=False), nn.BatchNorm2d(8))

    def forward(self, inputs):
        return self.layers(inputs).relu()


def make_tiny_network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Network(TinyBackbone(), N_CLASSES, projection_width=8)


def make_images(n_samples=8, seed=0):
    """Random float32 (N, 3, 8, 8), 0 to 1, with a bright quarter that tells the class."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.rand((n_samples, 3, SIDE_PX, SIDE_PX), generator=generator)
    half = SIDE_PX // 2
    for row in range(n_samples):
        top, left = divmod(row % N_CLASSES, 2)
        images[row, :, top * half : (top + 1) * half, left * half : (left + 1) * half] += 0.7
    return images


def make_candidates(n_samples=8):
    """The class of `make_images` and the next one; row 0 has all classes, row 1 only its own."""
    candidates = torch.zeros((n_samples, N_CLASSES), dtype=torch.bool)
    for row in range(n_samples):
        candidates[row, row % N_CLASSES] = True
        candidates[row, (row + 1) % N_CLASSES] = True
    candidates[0] = True
    if n_samples > 1:
        candidates[1] = torch.arange(N_CLASSES) == 1
    return candidates


def make_setup(candidates=None, images=None, start=None, epochs=10, seed=0, **changes):
    candidates = make_candidates() if candidates is None else candidates
    images = make_images(len(candidates)) if images is None else images

    def batches():
        for rows in torch.arange(len(images)).split(3):
            yield rows, normalise(images[rows])

    return Setup(
        network=make_tiny_network(seed),
        n_samples=len(candidates),
        n_classes=N_CLASSES,
        candidates=candidates,
        start=candidates / candidates.sum(dim=1, keepdim=True) if start is None else start,
        epochs=epochs,
        device=torch.device("cpu"),
        generator=torch.Generator().manual_seed(seed),
        batches=batches,
        **changes,
    )


def make_method(name, setup, **settings):
    config = ALGORITHMS.get(name).config_type(**settings)
    return make_algorithm(name, setup, config)


def small_settings(name):
    """Settings under which everything a method does happens within a few epochs."""
    fields = {field.name for field in dataclasses.fields(ALGORITHMS.get(name).config_type)}
    wanted = {"queue_size": 32, "warm_up_epochs": 1, "momentum": 0.5}
    return {key: value for key, value in wanted.items() if key in fields}


def normalise(images):
    return (images - 0.5) / 0.25


def make_batch(method, images, rows=None, seed=0):
    """A batch as the trainer makes it; a view is the normalised image with a little noise."""
    rows = torch.arange(len(images)) if rows is None else rows
    generator = torch.Generator().manual_seed(seed)

    def view(of):
        noise = torch.randn(of.shape, generator=generator)
        return normalise(of) + 0.1 * noise

    candidates = method.candidates[rows]
    chosen, source, guide, class_views = images[rows], None, None, None
    if method.class_view_names:
        source, guide = method.choose_class_views(rows)
        edited = method.edit(chosen, rows, source, guide)
        class_views = {name: view(edited) for name in method.class_view_names}
    return Batch(
        row=rows,
        candidates=candidates,
        views={name: view(chosen) for name in method.view_names},
        source=source,
        guide=guide,
        class_views=class_views,
        truth=rows % N_CLASSES if method.uses_truth else None,
    )


def train(method, images, n_epochs, learning_rate=0.1, first_epoch=0):
    """One batch per epoch; the losses by epoch."""
    optimiser = torch.optim.SGD(method.trainable_parameters(), learning_rate, momentum=0.9)
    method.train()
    losses = []
    for epoch in range(first_epoch, first_epoch + n_epochs):
        method.begin_epoch(epoch)
        losses.append(take_step(method, optimiser, make_batch(method, images, seed=epoch)))
        method.end_epoch()
    return losses


def take_step(method, optimiser, batch):
    result = method.step(batch)
    optimiser.zero_grad(set_to_none=True)
    result.loss.backward()
    optimiser.step()
    method.after_step()
    return result.loss.item()
