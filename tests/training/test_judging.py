"""What a saved model sees in single images."""

import numpy as np
import torch

from cad_studio.models.network import make_network
from cad_studio.training.judging import Judge
from cad_studio.training.model_file import ModelCard, save_model


def test_the_map_of_a_photograph_covers_all_of_it(tmp_path):
    """Maps of the tested middle were laid over the whole image, up to half a cell off."""
    torch.manual_seed(0)
    card = ModelCard("resnet8", 3, 8, [], 96, None, "large", [0.5], [0.25], 0)
    network = make_network("resnet8", 3, image_px=96, projection_width=8)
    save_model(tmp_path / "model.safetensors", network, card)
    judge = Judge(tmp_path / "model.safetensors")
    image = np.random.default_rng(0).integers(0, 256, (110, 110, 3), np.uint8)
    framed = image.copy()
    framed[:6] = 255
    # the middle 224 / 256, which is tested, begins at row 7
    assert np.array_equal(judge.look([image]).probability, judge.look([framed]).probability)
    members = np.array([True, True, False])
    maps = [judge.activation(each, members, "contrast") for each in (image, framed)]
    assert maps[0].shape == (2, 110, 110)
    assert not np.allclose(maps[0], maps[1])
