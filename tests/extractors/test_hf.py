import numpy as np
import pytest
import torch

from cad_studio.core.errors import ResourceError
from cad_studio.core.optional import require
from cad_studio.core.progress import Silent
from cad_studio.extractors._base import make_extractor
from tests.extractors.memory_pixels import MemoryPixels
from tests.extractors.tiny_models import save_tiny_vit


def test_without_a_saved_pooler_the_tokens_are_averaged(tmp_path):
    transformers = require("transformers", "transformers", "The test")
    folder = save_tiny_vit(tmp_path / "vit")
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    extractor = make_extractor(f"hf:{folder}")
    features = extractor.extract(MemoryPixels(images), None, Silent(), tmp_path / "parts")

    model = transformers.ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()
    scaled = torch.tensor(images).permute(0, 3, 1, 2) / 127.5 - 1  # mean and deviation are 0.5
    with torch.no_grad():
        tokens = model(pixel_values=scaled).last_hidden_state.mean(dim=1)
    expected = torch.nn.functional.normalize(tokens).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-5)
    assert extractor.describe().endswith("(16 features, vit)")


def test_other_weights_have_another_key(tmp_path):
    folder = save_tiny_vit(tmp_path / "vit")
    before = make_extractor(f"hf:{folder}").key()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert make_extractor(f"hf:{folder}").key() != before


def test_a_model_that_is_not_here_is_a_message(tmp_path):
    pixels = MemoryPixels(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(ResourceError, match="'nobody/nothing' cannot be loaded here"):
        make_extractor("hf:nobody/nothing").extract(pixels, None, Silent(), tmp_path)


def test_pickled_weights_are_not_read(tmp_path):
    folder = save_tiny_vit(tmp_path / "vit")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    pixels = MemoryPixels(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(ResourceError, match="safetensors"):
        make_extractor(f"hf:{folder}").extract(pixels, None, Silent(), tmp_path)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("model.safetensors", lambda content: content[: len(content) // 2]),
        ("model.safetensors", lambda _content: b"no weights at all"),
        ("config.json", lambda content: content.replace(b'"hidden_size": 16', b'"hidden_size": 8')),
        ("preprocessor_config.json", lambda _content: b"[1, 2]"),
    ],
)
def test_a_folder_that_does_not_hold_a_whole_model_is_a_message(tmp_path, file, change):
    """Each was a traceback, of another kind of error."""
    folder = save_tiny_vit(tmp_path / "vit")
    before = (folder / file).read_bytes()
    (folder / file).write_bytes(change(before))
    assert (folder / file).read_bytes() != before
    pixels = MemoryPixels(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(ResourceError, match="cannot be loaded here"):
        make_extractor(f"hf:{folder}").extract(pixels, None, Silent(), tmp_path / "parts")
