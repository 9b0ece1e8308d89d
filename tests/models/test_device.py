"""Where networks compute, on machines of every kind."""

import pytest
import torch

from cad_studio.core.errors import SettingError
from cad_studio.extractors._base import best_device
from cad_studio.models.device import choose_device


def has(monkeypatch, *, cuda, mps):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "kind"),
    [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu"), (True, True, "cuda")],
)
def test_the_fastest_device_is_taken_everywhere(monkeypatch, cuda, mps, kind):
    has(monkeypatch, cuda=cuda, mps=mps)
    assert choose_device("auto").type == kind
    assert best_device() == kind


def test_an_apple_device_is_taken_by_name_where_there_is_one(monkeypatch):
    has(monkeypatch, cuda=False, mps=True)
    assert choose_device("mps").type == "mps"
    with pytest.raises(SettingError, match=r"'mps:1'; .* there is one of them or none"):
        choose_device("mps:1")
    has(monkeypatch, cuda=False, mps=False)
    with pytest.raises(SettingError, match=r"'mps'; .* Choose cpu"):
        choose_device("mps")
