"""A training step of each library on the same images, at one channel plan, or at one width and depth.

Each library trains in its own way: diffbench by its Trainer, with EMA; smalldiffusion by its training_loop;
denoising-diffusion-pytorch by its GaussianDiffusion and its Trainer's step, with EMA. diffusers leaves the loop to its
users: the usual one, without clipping or EMA. Peers without a condition are trained without one.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from diffbench.denoisers.build import fresh_network
from diffbench.settings.models import Dit, TrainedDefinition, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.training.allocator import keep_freed_memory
from diffbench.training.trainer import Trainer

CHANNELS, MULTIPLIERS, BLOCKS = 32, (1, 2), 2
WIDTH, DEPTH, HEADS, PATCH = 96, 4, 3, 2
IMAGES, CLASSES = 512, 10
Step = Callable[[], Any]
Make = Callable[[int, int], tuple[Step, int]]
"""From side and batch to a step and the number of trained parameters."""


def images(side: int) -> tuple[Tensor, Tensor]:
    """Random images, and a label for each."""
    generator = torch.Generator().manual_seed(0)
    return 0.5 * torch.randn(IMAGES, 1, side, side, generator=generator), torch.arange(IMAGES) % CLASSES


def trainer(definition: TrainedDefinition, side: int, batch: int) -> Trainer:
    """diffbench's, in a process that keeps its memory as a train job does."""
    keep_freed_memory()
    network = fresh_network(definition, (1, side, side), CLASSES, seed=0)
    return Trainer(network, TrainingSettings(batch=batch))


def _ours(definition: TrainedDefinition, side: int, batch: int) -> tuple[Step, int]:
    training = trainer(definition, side, batch)
    steps: Iterator[Any] = training.run(*images(side), seed=0, stop=sys.maxsize)
    return lambda: next(steps), _parameters(training.network)


def diffbench_unet(side: int, batch: int) -> tuple[Step, int]:
    """The suite's U-Net."""
    return _ours(Unet(channels=CHANNELS, multipliers=MULTIPLIERS, blocks=BLOCKS), side, batch)


def diffbench_dit(side: int, batch: int) -> tuple[Step, int]:
    """The suite's transformer."""
    return _ours(Dit(width=WIDTH, depth=DEPTH, heads=HEADS, patch=PATCH), side, batch)


def diffusers_unet(side: int, batch: int) -> tuple[Step, int]:
    """UNet2DModel in the usual loop."""
    _declare_vision_operators()
    from diffusers import DDPMScheduler, UNet2DModel  # pyright: ignore

    plain = len(MULTIPLIERS) - 1
    network = UNet2DModel(
        sample_size=side,
        in_channels=1,
        out_channels=1,
        layers_per_block=BLOCKS,
        block_out_channels=tuple(CHANNELS * multiplier for multiplier in MULTIPLIERS),
        down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
        norm_num_groups=8,
        attention_head_dim=CHANNELS * MULTIPLIERS[-1],
        num_class_embeds=CLASSES + 1,
    )
    scheduler = DDPMScheduler()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    clean, labels = images(side)

    def step() -> None:
        chosen = torch.randint(len(clean), (batch,))
        noise, times = torch.randn(batch, 1, side, side), torch.randint(1000, (batch,))
        noised = scheduler.add_noise(clean[chosen], noise, times)  # pyright: ignore
        predicted = network(noised, times, class_labels=labels[chosen]).sample
        loss = nn.functional.mse_loss(predicted, noise)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step, _parameters(network)


def smalldiffusion_unet(side: int, batch: int) -> tuple[Step, int]:
    """Its U-Net in its loop."""
    _declare_vision_operators()
    from smalldiffusion import CondEmbedderLabel, Unet  # pyright: ignore

    coarsest = side // 2 ** (len(MULTIPLIERS) - 1)
    network = Unet(
        side,
        1,
        1,
        ch=CHANNELS,
        ch_mult=MULTIPLIERS,
        num_res_blocks=BLOCKS,
        attn_resolutions=(coarsest,),
        dropout=0.0,
        cond_embed=CondEmbedderLabel(4 * CHANNELS, CLASSES, 0.1),
    )
    return _smalldiffusion_loop(network, side, batch)


def smalldiffusion_dit(side: int, batch: int) -> tuple[Step, int]:
    """Its transformer in its loop."""
    _declare_vision_operators()
    from smalldiffusion import CondEmbedderLabel, DiT  # pyright: ignore

    labels = CondEmbedderLabel(WIDTH, CLASSES, 0.1)
    network = DiT(side, 1, PATCH, DEPTH, head_dim=WIDTH // HEADS, num_heads=HEADS, cond_embed=labels)
    return _smalldiffusion_loop(network, side, batch)


def _smalldiffusion_loop(network: nn.Module, side: int, batch: int) -> tuple[Step, int]:
    from smalldiffusion import ScheduleLogLinear, training_loop  # pyright: ignore
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(*images(side)), batch_size=batch, shuffle=True)
    steps = training_loop(loader, network, ScheduleLogLinear(1000), epochs=sys.maxsize, conditional=True)
    return lambda: next(steps), _parameters(network)


def lucidrains_unet(side: int, batch: int) -> tuple[Step, int]:
    """Its U-Net and diffusion, with the step of its Trainer."""
    _declare_vision_operators()
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet  # pyright: ignore
    from ema_pytorch import EMA  # pyright: ignore

    diffusion = GaussianDiffusion(Unet(CHANNELS, dim_mults=MULTIPLIERS, channels=1), image_size=side)
    optimizer = torch.optim.Adam(diffusion.parameters(), lr=1e-4, betas=(0.9, 0.99))
    average = EMA(diffusion, beta=0.995, update_every=10)
    clean, _ = images(side)

    def step() -> None:
        loss = diffusion(clean[torch.randint(len(clean), (batch,))])
        loss.backward()
        nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update()

    return step, _parameters(diffusion)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _declare_vision_operators() -> None:
    """Let peers import torchvision where it was built for another torch than the installed one.

    PyPI's for CUDA beside a torch for CPUs fails to import for want of operators that no peer uses.
    """
    try:
        import torchvision  # pyright: ignore # noqa: F401
    except ImportError:
        return
    except RuntimeError:
        signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", signature)


UNETS: dict[str, Make] = {
    "diffbench": diffbench_unet,
    "diffusers": diffusers_unet,
    "smalldiffusion": smalldiffusion_unet,
    "denoising-diffusion-pytorch": lucidrains_unet,
}
DITS: dict[str, Make] = {"diffbench": diffbench_dit, "smalldiffusion": smalldiffusion_dit}
