"""Small models of diffusers with random weights, saved as people save theirs."""

import json
import string
from pathlib import Path
from typing import Any

import torch

from diffbench.adapters.libraries import hide_broken_torchvision

hide_broken_torchvision()

CUMULATED = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
"""Of every scheduler's default betas."""


def moment(step: int) -> tuple[float, float]:
    """Alpha and sigma of a step."""
    return float(CUMULATED[step].sqrt()), float((1 - CUMULATED[step]).sqrt())


def save(folder: Path, model: Any, part: str, scheduler: str = "DDPMScheduler", **options: Any) -> Path:
    """A network in folder/part beside a scheduler. Returns the folder."""
    import diffusers

    model.save_pretrained(folder / part)
    getattr(diffusers, scheduler)(**options).save_pretrained(folder / "scheduler")
    return folder


def filled(model: Any) -> Any:
    """The model with weights that are nowhere zero: the last layers of a fresh one are."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def tiny_unet(**keys: Any) -> Any:
    from diffusers.models.unets.unet_2d import UNet2DModel

    torch.manual_seed(0)
    blocks: Any = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    sizes: Any = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}
    return UNet2DModel(**{"sample_size": 8, "in_channels": 1, "out_channels": 1} | blocks | sizes | keys).eval()


def tiny_dit() -> Any:
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    sizes: Any = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1, "norm_num_groups": 4}
    return filled(DiTTransformer2DModel(sample_size=8, in_channels=1, out_channels=2, num_embeds_ada_norm=10, **sizes))


def tiny_text_unet(**keys: Any) -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    blocks: Any = {"down_block_types": ("CrossAttnDownBlock2D",), "up_block_types": ("CrossAttnUpBlock2D",)}
    sizes: Any = {"block_out_channels": (8,), "norm_num_groups": 4, "layers_per_block": 1, "attention_head_dim": 4}
    defaults: Any = {"sample_size": 8, "in_channels": 4, "out_channels": 4, "cross_attention_dim": 16}
    return UNet2DConditionModel(**defaults | blocks | sizes | keys).eval()


def tiny_sdxl() -> Any:
    """Text, and an embedding of the whole text beside six sizes of the image."""
    return tiny_text_unet(
        addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=6 * 4 + 10
    )


def tiny_pixart(**keys: Any) -> Any:
    from diffusers.models.transformers.pixart_transformer_2d import PixArtTransformer2DModel

    sizes: Any = {"num_attention_heads": 2, "attention_head_dim": 6, "num_layers": 1, "cross_attention_dim": 12}
    shape: Any = {"sample_size": 8, "in_channels": 4, "out_channels": 8, "caption_channels": 12}
    return filled(PixArtTransformer2DModel(**shape, **sizes, **keys))


def tiny_sd3() -> Any:
    from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

    sizes: Any = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1, "pos_embed_max_size": 8}
    widths: Any = {"joint_attention_dim": 12, "caption_projection_dim": 16, "pooled_projection_dim": 10}
    return filled(SD3Transformer2DModel(sample_size=8, in_channels=4, out_channels=4, **sizes, **widths))


def save_text_encoder(folder: Path) -> None:
    """tokenizer/ and text_encoder/ of CLIP's kind: letters as words, embeddings of 8 tokens and width 16."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    words = [*letters, "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "tokenizer/vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", model_max_length=8)
    tokenizer.save_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    sizes: Any = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends: Any = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1}
    config = CLIPTextConfig(vocab_size=len(words), max_position_embeddings=8, **sizes, **ends)
    CLIPTextModel(config).eval().save_pretrained(folder / "text_encoder")
