"""A network that looks at images: by several threads, and at maps of any shape."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from cad_studio.core.errors import ResourceError
from cad_studio.extractors import _engines
from cad_studio.extractors._looking import looking
from cad_studio.extractors._networks import StageMaps
from cad_studio.extractors._options import Options
from tests.extractors.memory_pixels import MemoryPixels

CPU = torch.device("cpu")


def test_looks_of_several_threads_do_not_see_each_other():
    """One cleared what another was about to read; a search by picture found somebody else's."""
    network, heard = nn.Flatten(), []
    network.register_forward_hook(lambda _layer, given, _made: heard.append(given[0]))

    def stages(values):
        heard.clear()
        network(values)
        threading.Event().wait(0.002)  # the others run
        return [heard[-1].flatten(1)]

    def prepare(images):
        return torch.stack([torch.tensor(each).permute(2, 0, 1).float() for each in images])

    look = looking(network, stages, prepare, Options(), CPU, 4)
    images = [np.full((1, 4, 4, 3), value, np.uint8) for value in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda each: look(MemoryPixels(each))[0, 0], images))
    assert found == list(range(40))


class ChannelsLast(nn.Module):
    """Two maps of an image, channels last; the first has as many channels as places a side."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Identity(), nn.Identity()])

    def forward(self, values):
        wide = torch.arange(4 * 4 * 4, dtype=torch.float32).reshape(1, 4, 4, 4)
        narrow = torch.arange(2 * 2 * 6, dtype=torch.float32).reshape(1, 2, 2, 6)
        return [self.parts[0](wide), self.parts[1](narrow)]


def test_a_map_as_wide_as_it_has_channels_is_averaged_over_its_places():
    """Its channels were averaged with one of its sides, without a word."""
    model = ChannelsLast()
    maps = StageMaps(model)
    for _ in range(2):
        wide, narrow = model(None)
        small, large = maps.taken()
        assert torch.equal(small, narrow.mean(dim=(1, 2)))
        assert torch.equal(large, wide.mean(dim=(1, 2)))


def test_a_network_that_cannot_be_compiled_is_told(monkeypatch):
    from torch._dynamo.exc import BackendCompilerFailed

    def failing(stages, **_options):
        def computed(_values):
            raise BackendCompilerFailed(stages, RuntimeError("no header files"), None)

        return computed

    monkeypatch.setattr(torch, "compile", failing)
    monkeypatch.setattr(_engines, "require_compiler", lambda *_: None)
    computed = _engines.engine(nn.Identity(), lambda v: [v], Options(compile=True), CPU)
    with pytest.raises(ResourceError, match="Leave compile out"):
        computed(torch.zeros(1, 3, 4, 4))
