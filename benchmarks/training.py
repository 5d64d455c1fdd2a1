"""Training steps per second against peers, and where a step's time goes. One run, same data, same batch.

    python benchmarks/training.py [threads]

Needs smalldiffusion, diffusers and denoising-diffusion-pytorch; a peer that is not installed is left out. U-Nets share
one channel plan, transformers one width and depth. A step is forward, backward, Adam and the EMA where there is one,
each in its library's own way: diffbench's Trainer; torch's Adam as smalldiffusion's training_loop and diffusers'
tutorial have it; with ema-pytorch as denoising-diffusion-pytorch's trainer has it.
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from diffbench.denoisers.build import describe, fresh_network
from diffbench.denoisers.definitions import PRESETS, Dit, Mlp, TrainedDefinition, Unet
from diffbench.protocol import TrainingProtocol
from diffbench.training import Trainer

ROUNDS = 8
CHANNELS, MULTIPLIERS, BLOCKS = 32, (1, 2), 2
WIDTH, DEPTH, HEADS, PATCH = 96, 4, 3, 2
Step = Callable[[], None]


def clock() -> float:
    """CPU seconds of the process, so that other load on the machine does not count, per thread in use."""
    return time.process_time() / torch.get_num_threads()


def best(action: Callable[[], Any], repeats: int) -> float:
    """Least seconds of several calls: what the machine can do."""
    times = []
    for _ in range(repeats):
        start = clock()
        action()
        times.append(clock() - start)
    return min(times)


def product_rate() -> float:
    """Operations per second of a large matrix product: the floor that everything is held against."""
    matrix = torch.randn(1024, 1024)
    return 2 * 1024**3 / best(lambda: matrix @ matrix, 5)


def trainer(definition: TrainedDefinition, side: int, batch: int) -> Trainer:
    network = fresh_network(definition, (1, side, side), 10, seed=0)
    return Trainer(network, TrainingProtocol(batch=batch))


def images(side: int) -> tuple[Tensor, Tensor]:
    return 0.5 * torch.randn(512, 1, side, side), torch.arange(512) % 10


def ours(definition: TrainedDefinition, side: int, batch: int) -> tuple[Step, int]:
    training = trainer(definition, side, batch)
    steps: Iterator[Any] = training.run(*images(side), seed=0, stop=sys.maxsize)
    return lambda: next(steps) and None, describe(training.network, (1, side, side))["parameters"]


def theirs(
    network: nn.Module,
    evaluate: Callable[..., Tensor],
    side: int,
    batch: int,
    after: Callable[[], Any] = lambda: None,
) -> tuple[Step, int]:
    """The usual loop: a batch, noise, mean squared error, Adam."""
    clean, labels = images(side)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> None:
        chosen = torch.randint(len(clean), (batch,))
        x, noise, sigma = clean[chosen], torch.randn(batch, 1, side, side), torch.rand(batch) + 0.1
        loss = nn.functional.mse_loss(evaluate(x + sigma.view(-1, 1, 1, 1) * noise, sigma, labels[chosen]), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after()

    return step, sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def diffusers_unet(side: int, batch: int) -> tuple[Step, int]:
    from diffusers import UNet2DModel  # pyright: ignore

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
        num_class_embeds=11,
    )
    return theirs(network, lambda x, sigma, label: network(x, sigma, class_labels=label).sample, side, batch)


def smalldiffusion_unet(side: int, batch: int) -> tuple[Step, int]:
    from smalldiffusion import Unet as Network  # pyright: ignore

    coarsest = side // 2 ** (len(MULTIPLIERS) - 1)
    network = Network(side, 1, 1, ch=CHANNELS, ch_mult=MULTIPLIERS, num_res_blocks=BLOCKS, attn_resolutions=(coarsest,))
    return theirs(network, lambda x, sigma, label: network(x, sigma), side, batch)


def lucidrains_unet(side: int, batch: int) -> tuple[Step, int]:
    from denoising_diffusion_pytorch import Unet as Network  # pyright: ignore
    from ema_pytorch import EMA  # pyright: ignore

    network = Network(CHANNELS, dim_mults=MULTIPLIERS, channels=1)
    average = EMA(network, beta=0.995, update_every=10)
    return theirs(network, lambda x, sigma, label: network(x, sigma), side, batch, average.update)


def smalldiffusion_dit(side: int, batch: int) -> tuple[Step, int]:
    from smalldiffusion import CondEmbedderLabel, DiT  # pyright: ignore

    labels = CondEmbedderLabel(WIDTH, 10, 0.1)
    network = DiT(side, 1, PATCH, DEPTH, head_dim=WIDTH // HEADS, num_heads=HEADS, cond_embed=labels)
    return theirs(network, lambda x, sigma, label: network(x, sigma, label), side, batch)


def compare(title: str, side: int, batch: int, methods: dict[str, Callable[[int, int], tuple[Step, int]]]) -> None:
    """Methods take turns, so that a slow moment of the machine does not fall on one of them."""
    print(f"{title}, images 1x{side}x{side}, batch {batch}")
    steps, parameters = {}, {}
    for name, make in methods.items():
        try:
            steps[name], parameters[name] = make(side, batch)
        except ImportError as error:
            print(f"  {name:<30} left out: {error}")
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(ROUNDS + 1):
        for name, step in steps.items():
            seconds = best(step, 1)
            if round_ > 0:
                times[name].append(seconds)
    mine = min(times["diffbench"])
    for name, values in times.items():
        least = min(values)
        print(
            f"  {name:<30} {parameters[name]:>9,} parameters {1000 * least:8.2f} ms/step"
            f" {batch / least:8.0f} images/s   diffbench is {least / mine:.2f} times as fast"
        )


def stages(name: str, side: int, batch: int) -> None:
    """Where the time of a step goes, and its distance from the rate of matrix products."""
    definition = PRESETS[name]
    assert isinstance(definition, Mlp | Unet | Dit)
    training = trainer(definition, side, batch)
    drawn = training._draw(*images(side), 0)
    repeats = max(5, min(200, int(1 / best(lambda: training._backward(drawn), 3))))
    steps = training.run(*images(side), seed=0, stop=sys.maxsize)
    whole = best(lambda: next(steps), repeats)

    data = images(side)
    parts = {
        "forward and backward": best(lambda: training._backward(drawn), repeats),
        "Adam": best(lambda: training._optimizer.update(training._gradient), repeats),
        "draw of the batch": best(lambda: training._draw(*data, 0), repeats),
    }
    parts["EMA and one gradient"] = best(training._update, repeats) - parts["Adam"]
    operations = 3 * batch * describe(training.network, (1, side, side))["flops_per_image"]
    floor = operations / RATE
    print(f"{name}, images 1x{side}x{side}, batch {batch}: {1000 * whole:.2f} ms/step")
    print(f"  {'matrix products at full rate':<28} {1000 * floor:8.2f} ms {100 * floor / whole:5.1f} %")
    for part, seconds in parts.items():
        print(f"  {part:<28} {1000 * seconds:8.2f} ms {100 * seconds / whole:5.1f} %")


def main() -> None:
    print(f"threads: {torch.get_num_threads()}, matrix product 1024^3: {RATE / 1e9:.0f} GFlop/s")
    stages("mlp-medium", 8, 128)
    stages("unet-small", 8, 64)
    stages("dit-tiny", 8, 64)
    unet = Unet(channels=CHANNELS, multipliers=MULTIPLIERS, blocks=BLOCKS)
    dit = Dit(width=WIDTH, depth=DEPTH, heads=HEADS, patch=PATCH)
    unets = {
        "diffbench": lambda side, batch: ours(unet, side, batch),
        "diffusers": diffusers_unet,
        "smalldiffusion": smalldiffusion_unet,
        "denoising-diffusion-pytorch": lucidrains_unet,
    }
    dits = {"diffbench": lambda side, batch: ours(dit, side, batch), "smalldiffusion": smalldiffusion_dit}
    compare("U-Net", 8, 64, unets)
    compare("U-Net", 28, 16, unets)
    compare("Diffusion transformer", 8, 64, dits)
    compare("Diffusion transformer", 28, 16, dits)


if __name__ == "__main__":
    torch.set_num_threads(int((sys.argv[1:] or ["1"])[0]))
    RATE = product_rate()
    main()
