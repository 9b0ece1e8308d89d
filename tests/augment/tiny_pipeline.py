"""A text-driven editor of the real classes, tiny and untrained, saved to a folder."""

from pathlib import Path

import torch


def save_tiny_pipeline(folder: Path) -> Path:
    """Write it: random weights, a vocabulary of single letters."""
    from cad_studio.core.optional import require

    transformers = require("transformers", "transformers", "The test")
    diffusers = require("diffusers", "diffusers", "The test")
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    names = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = transformers.CLIPTokenizer(
        vocab={name: place for place, name in enumerate(names)}, merges=[], model_max_length=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        text = transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                vocab_size=len(names), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                num_attention_heads=2, max_position_embeddings=16,
                bos_token_id=len(names) - 2, eos_token_id=len(names) - 1,
            )
        )  # fmt: skip
        unet = diffusers.UNet2DConditionModel(
            sample_size=8, in_channels=8, out_channels=4, block_out_channels=(8, 16),
            layers_per_block=1, cross_attention_dim=16, attention_head_dim=4, norm_num_groups=4,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        )  # fmt: skip
        vae = diffusers.AutoencoderKL(
            block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4, layers_per_block=1,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        )  # fmt: skip
    pipeline = diffusers.StableDiffusionInstructPix2PixPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet,
        scheduler=diffusers.EulerAncestralDiscreteScheduler(), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder / "pipeline", safe_serialization=True)
    return folder / "pipeline"
