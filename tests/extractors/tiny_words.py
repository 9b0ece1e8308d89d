"""Tiny image-text models of the real classes, with random weights, saved as a hub has them."""

import json

import torch

from cad_studio.core.optional import require

WIDTH = 16
_VISION = dict(
    hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    image_size=8, patch_size=4,
)  # fmt: skip
_TEXT = dict(
    hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    max_position_embeddings=24,
)  # fmt: skip


def save_tiny_clip(folder):
    """A CLIP model of 12 features for 8 x 8 images, whose tokenizer knows single letters."""
    transformers = require("transformers", "transformers", "The test")
    letters = sorted(bytes_of_clip().values())
    vocabulary = [*letters, *(f"{each}</w>" for each in letters)]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    numbers = {token: number for number, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(numbers))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")
    )
    end = numbers["<|endoftext|>"]
    config = transformers.CLIPConfig(
        text_config=_TEXT | dict(vocab_size=len(vocabulary), bos_token_id=end - 1,
                                 eos_token_id=end, pad_token_id=end),
        vision_config=_VISION, projection_dim=12,
    )  # fmt: skip
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}
    )
    return _saved(folder, transformers.CLIPModel, config, tokenizer, processor)


def save_tiny_siglip(folder):
    """A SigLIP model for 8 x 8 images, whose tokenizer knows a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    transformers = require("transformers", "transformers", "The test")
    known = ["<pad>", "</s>", "<unk>", "a", "photo", "of", "red", "green", "blue"]
    plain = Tokenizer(models.WordLevel({w: n for n, w in enumerate(known)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    config = transformers.SiglipConfig(
        text_config=_TEXT | dict(vocab_size=len(known), projection_size=WIDTH),
        vision_config=_VISION,
    )
    processor = transformers.SiglipImageProcessor(size={"height": 8, "width": 8})
    return _saved(folder, transformers.SiglipModel, config, tokenizer, processor)


def _saved(folder, kind, config, tokenizer, processor):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def bytes_of_clip():
    """Bytes to the letters that stand for them in the vocabularies of CLIP and GPT-2."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {each: chr(each) for each in plain}, 256
    for each in range(256):
        if each not in letters:
            letters[each] = chr(extra)
            extra += 1
    return letters
