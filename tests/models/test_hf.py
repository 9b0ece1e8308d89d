"""Vision models of transformers as trained networks: small ones of the real classes, from disk."""

import json
from shutil import rmtree

import pytest
import torch
from torch import nn

from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.core.optional import require
from cad_studio.models.ema import copy_network, update_ema
from cad_studio.models.network import make_network

PX = 64
SMALL = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
VIT = {**SMALL, "intermediate_size": 16, "image_size": PX, "patch_size": 16}
TEXT = {**SMALL, "intermediate_size": 16, "vocab_size": 20, "max_position_embeddings": 8}
MERGING = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
KINDS = {
    "ViT": (VIT, 4),
    "Dinov2": (VIT, 4),
    "Dinov2WithRegisters": ({**VIT, "num_register_tokens": 5}, 4),
    "CLIP": ({"vision_config": VIT, "text_config": TEXT, "projection_dim": 8}, 4),
    "Siglip": ({"vision_config": VIT, "text_config": TEXT}, 4),
    "Swin": ({**MERGING, "image_size": PX, "patch_size": 4}, 8),
    "ConvNext": ({"hidden_sizes": [8, 8, 8, 16], "depths": [1, 1, 1, 1]}, 2),
    "ResNet": (
        {"embedding_size": 8, "hidden_sizes": [8, 8, 8, 16], "depths": [1, 1, 1, 1]}, 2,
    ),
}  # fmt: skip
"""Settings of small models by class, and the side of the map of 64 px."""
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def save_tiny(folder, kind):
    transformers = require("transformers", "transformers", "The test")
    config = getattr(transformers, f"{kind}Config")(**KINDS[kind][0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    size = {"height": PX, "width": PX}
    transformers.ViTImageProcessor(size=size, image_mean=MEAN, image_std=STD).save_pretrained(
        folder
    )
    return folder


def images(n_images=2):
    return torch.rand(n_images, 3, PX, PX, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=KINDS)
def model(request, tmp_path):
    return f"hf:{save_tiny(tmp_path / 'model', request.param)}", KINDS[request.param][1]


def test_its_map_lies_as_the_image_does(model):
    spec, side = model
    network = make_network(spec, 3, image_px=PX).eval()
    plain, changed = images(1), images(1)
    place = PX // side
    row, column = side - 1, 0
    spot = (..., slice(row * place, (row + 1) * place), slice(column * place, (column + 1) * place))
    changed[spot] = 1.0 - changed[spot]
    with torch.no_grad():
        before, after = network.feature_map(plain), network.feature_map(changed)
    assert before.shape == (1, network.width, side, side)
    difference = (after - before).norm(dim=1).flatten()
    assert int(difference.argmax()) == row * side + column
    assert network.backbone.normalisation == (MEAN, STD)


def test_all_that_the_map_depends_on_learns(model):
    spec, _ = model
    network = make_network(spec, 3, image_px=PX)
    loss = nn.functional.cross_entropy(network(images(4)), torch.arange(4) % 3)
    loss.backward()
    trained = [w for w in network.backbone.parameters() if w.requires_grad]
    assert len(trained) > 5
    assert all(weight.grad is not None for weight in trained)


def test_only_its_last_layers_learn_as_top(model):
    spec, _ = model
    network = make_network(f"{spec}:top", 3, image_px=PX)
    whole = make_network(spec, 3, image_px=PX)
    trained, all_of_it = (
        [name for name, weight in each.backbone.named_parameters() if weight.requires_grad]
        for each in (network, whole)
    )
    assert 0 < len(trained) < 0.5 * len(all_of_it)
    assert trained == all_of_it[-len(trained) :]
    copy = copy_network(network)
    update_ema(copy, network, 0.5)
    nn.functional.cross_entropy(network(images(4)), torch.arange(4) % 3).backward()


def test_it_is_built_again_without_its_folder(model):
    spec, _ = model
    network = make_network(spec, 3, image_px=PX).eval()
    rmtree(spec.removeprefix("hf:"))
    again = make_network(spec, 3, image_px=PX, blueprint=network.backbone.blueprint).eval()
    again.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(again(images()), network(images()), rtol=0, atol=0)


def test_its_weights_are_those_of_the_folder_and_torchs_own_chance_is_left_alone(tmp_path):
    folder = save_tiny(tmp_path / "model", "ViT")
    transformers = require("transformers", "transformers", "The test")
    whole = transformers.ViTModel.from_pretrained(folder).state_dict()
    before = torch.get_rng_state()
    network = make_network(f"hf:{folder}", 3, image_px=PX)
    assert torch.equal(torch.get_rng_state(), before)
    found = network.backbone.model.state_dict()
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], whole[name]) for name in whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_saved_in_half_precision_is_trained_in_single(tmp_path, dtype):
    folder = save_tiny(tmp_path / "model", "ViT")
    transformers = require("transformers", "transformers", "The test")
    transformers.ViTModel.from_pretrained(folder).to(dtype).save_pretrained(folder)
    network = make_network(f"hf:{folder}", 3, image_px=PX)
    again = make_network(f"hf:{folder}", 3, image_px=PX, blueprint=network.backbone.blueprint)
    for each in (network, again):
        assert {weight.dtype for weight in each.parameters()} == {torch.float32}
        each(images()).sum().backward()


def test_a_model_that_masks_or_adds_tokens_at_the_end_is_refused(tmp_path):
    """Its map would lie elsewhere, and another one each time."""
    transformers = require("transformers", "transformers", "The test")
    small = {"decoder_num_hidden_layers": 1, "decoder_hidden_size": 16,
             "decoder_num_attention_heads": 2, "decoder_intermediate_size": 16}  # fmt: skip
    for kind, more, words in (
        ("ViTMAE", small, "sees one image differently each time"),
        ("Yolos", {"image_size": [PX, PX], "num_detection_tokens": 10}, "which of its 27 tokens"),
    ):
        folder = tmp_path / kind
        config = getattr(transformers, f"{kind}Config")(**{**VIT, **more})
        getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
        transformers.ViTImageProcessor().save_pretrained(folder)
        with pytest.raises(SettingError, match=words):
            make_network(f"hf:{folder}", 3, image_px=PX)


def changed(folder, name, **values):
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return f"hf:{folder}"


def test_weights_that_are_missing_are_not_drawn(tmp_path):
    spec = changed(save_tiny(tmp_path / "more", "ViT"), "config.json", num_hidden_layers=6)
    with pytest.raises(ResourceError, match=r"lacks \d+ of the weights .* \(first: "):
        make_network(spec, 3, image_px=PX)
    other = changed(save_tiny(tmp_path / "other", "ViT"), "config.json", model_type="dinov2")
    with pytest.raises(ResourceError, match="lacks"):
        make_network(other, 3, image_px=PX)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("ViT", "evil/kernel"), ("ViT", "flash_attention_2"), ("CLIP", {"vision_config": "evil/k"})],
)
def test_no_kernel_of_the_hub_is_asked_for(tmp_path, kind, asked):
    spec = changed(save_tiny(tmp_path / "model", kind), "config.json", attn_implementation=asked)
    with pytest.raises(ResourceError, match="names code from elsewhere"):
        make_network(spec, 3, image_px=PX)


@pytest.mark.parametrize(
    "blueprint",
    ["x", "[]", "[1, 2]", "{}", '[{"model_type": "nope"}, null]', "[{}, null]",
     '[{"model_type": "resnet", "depths": "x"}, null]', '[{"model_type": "vit"}, 3]',
     '[{"model_type": "vit", "attn_implementation": "evil/kernel"}, null]',
     '[{"model_type": "aimv2_text_model", "auto_map": {"AutoModel": "evil/a--m.M"}}, null]'],
)  # fmt: skip
def test_a_blueprint_that_is_none_says_so(blueprint):
    with pytest.raises(ValueError, match="no blueprint of a transformers model"):
        make_network("hf:any", 3, image_px=PX, blueprint=blueprint)


@pytest.mark.parametrize(
    "values", [{"image_mean": 0.5}, {"image_std": [0, 0, 0]}, {"image_std": [1, 1]},
               {"image_mean": ["a", "b", "c"]}],
)  # fmt: skip
def test_images_are_divided_by_numbers_above_0(tmp_path, values):
    spec = changed(save_tiny(tmp_path / "model", "ViT"), "preprocessor_config.json", **values)
    with pytest.raises((SettingError, ResourceError), match=r"preprocessor_config.json"):
        make_network(spec, 3, image_px=PX)


def test_a_folder_may_be_called_as_one_likes(tmp_path):
    folder = save_tiny(tmp_path / "a:top", "ViT")
    whole, top = (make_network(f"hf:{folder}{end}", 3, image_px=PX) for end in ("", ":top"))
    counts = [sum(w.requires_grad for w in each.backbone.parameters()) for each in (whole, top)]
    assert counts[0] > 3 * counts[1]


def test_images_of_another_size_are_taken_where_the_model_can(tmp_path):
    spec = f"hf:{save_tiny(tmp_path / 'model', 'Dinov2')}"
    network = make_network(spec, 3, image_px=100).eval()
    with torch.no_grad():
        assert network.feature_map(torch.zeros(1, 3, 100, 100)).shape[2:] == (6, 6)


def test_what_cannot_be_trained_is_refused_in_words(tmp_path):
    with pytest.raises(ResourceError, match=r"'nobody/nothing' cannot be loaded here: "):
        make_network("hf:nobody/nothing", 3, image_px=PX)
    with pytest.raises(ResourceError, match=r"cannot be loaded here: there is no folder "):
        make_network(f"hf:{tmp_path / 'nowhere'}", 3, image_px=PX)
    with pytest.raises(ResourceError, match=r"cannot be loaded here"):
        make_network(f"hf:{'a' * 5000}", 3, image_px=PX)
    with pytest.raises(SettingError, match=r"hf needs a model\. Write hf:"):
        make_network("hf::top", 3, image_px=PX)
    folder = save_tiny(tmp_path / "model", "Swin")
    with pytest.raises(SettingError, match=r"cannot be trained on images of 2 px: .*\. Take"):
        make_network(f"hf:{folder}", 3, image_px=2)
    config = folder / "config.json"
    about = json.loads(config.read_text())
    config.write_text(json.dumps({**about, "auto_map": {"AutoModel": "own.Model"},
                                  "model_type": "own"}))  # fmt: skip
    with pytest.raises(ResourceError, match="cannot be loaded here"):
        make_network(f"hf:{folder}", 3, image_px=PX)
    transformers = require("transformers", "transformers", "The test")
    text = tmp_path / "text"
    transformers.BertModel(transformers.BertConfig(**TEXT)).save_pretrained(text)
    transformers.ViTImageProcessor().save_pretrained(text)
    with pytest.raises(SettingError, match=r"cannot be trained on images of 64 px"):
        make_network(f"hf:{text}", 3, image_px=PX)
