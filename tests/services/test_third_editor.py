"""An editor that is one file: its offer, its edits and their images need no other change."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from cad_studio.augment._base import EDITORS, Editor
from cad_studio.core.progress import Silent
from cad_studio.services.edits.augmentation import AugmentRequest
from tests.services.edited import brightness
from tests.services.small import store

COMPONENTS = Path(__file__).parents[2] / "cad_studio" / "ui" / "components"


@dataclass(frozen=True)
class BrighterConfig:
    by: int = field(default=10, metadata={"help": "Grey levels.", "minimum": 1, "maximum": 99})


class Brighter(Editor):
    title = "Brighter"
    config_type = BrighterConfig

    def __init__(self, config):
        self.config = config

    def load(self, texts):
        self.texts = texts

    def key(self):
        return f"brighter {self.config.by}"

    def edit(self, images, guide, seeds):
        return [np.minimum(image.astype(int) + self.config.by, 255).astype(np.uint8)
                for image in images]  # fmt: skip


@pytest.fixture
def ready(services, tmp_path, monkeypatch):
    EDITORS.names()  # those of the house are registered first
    monkeypatch.setitem(EDITORS._members, "brighter", Brighter)
    store(services, brightness(tmp_path), "b")
    return services


def test_a_third_editor_is_offered_and_makes_edits(ready):
    """It had no setting `model`, and the services met a KeyError."""
    offer = next(each for each in ready.editors.offers("b") if each["name"] == "brighter")
    assert (offer["title"], offer["missing"], offer["model"]) == ("Brighter", "", "")
    assert [each["name"] for each in offer["settings"]] == ["by"]
    request = AugmentRequest(
        "b", editor="brighter", settings={"by": 20}, budget={"budget": "all", "limit": 6}
    )
    made = ready.augmentation.make(request, Silent())
    assert (made["made"], made["failed"]) == (6, 0)
    again = ready.augmentation.make(request, Silent())
    assert (again["made"], again["reused"]) == (0, 6)


def test_scripts_name_no_editor():
    for path in COMPONENTS.glob("augment_*.js"):
        text = path.read_text(encoding="utf-8")
        assert "'in-domain'" not in text, path.name
        assert "'instruct-pix2pix'" not in text, path.name
