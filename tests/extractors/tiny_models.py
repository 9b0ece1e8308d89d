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
    models = require("torchvision.models", "torchvision", "The test")
    monkeypatch.setenv("TORCH_HOME", str(folder))
    checkpoints = folder / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = models.resnet18(weights=None).state_dict()
    torch.save(state, checkpoints / "resnet18-f37072fd.pth")
    return state
