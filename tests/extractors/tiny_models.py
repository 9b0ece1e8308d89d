import torch

from cad_studio.core.optional import require


def save_tiny_vit(folder):
    """A random vision transformer of 16 features for 8 x 8 images, without a pooler."""
    transformers = require("transformers", "transformers", "The test")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(folder)
    return folder


def use_random_resnet(folder, monkeypatch):
    """Put random weights where torchvision looks for those of ResNet-18."""
    return use_random_weights(folder, monkeypatch, "resnet18", None)


def use_random_weights(folder, monkeypatch, name, size=64):
    """Put random weights where torchvision looks for its own.

    Those of a vision transformer are for images of `size`.
    """
    models = require("torchvision.models", "torchvision", "The test")
    monkeypatch.setenv("TORCH_HOME", str(folder))
    checkpoints = folder / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    options = {"image_size": size} if name.startswith("vit_") else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = models.get_model(name, weights=None, **options).state_dict()
    file = models.get_model_weights(name).DEFAULT.url.rpartition("/")[2]
    torch.save(state, checkpoints / file)
    return state
