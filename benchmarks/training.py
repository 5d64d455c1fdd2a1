"""Training steps per second against peers, and where a step's time goes. One run, same data, same batch.

    python benchmarks/training.py [threads] [--smoke]

Peers (the extra "benchmark") that are not installed are left out; peers.py says how each one trains. Every library has
a process of its own, and they take turns. Read the ratios rather than the times, and the part of a step beside its
floor: no network here can be faster than its own layers. The last lines repeat the ratios.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import torch
from peers import DITS, UNETS, Make, Step, images, trainer
from torch import Tensor, nn
from turns import THREADS, best, product_rate, ratio, seconds, take_turns

from diffbench.denoisers.build import describe
from diffbench.settings.models import PRESETS, Dit, Mlp, Unet
from diffbench.training.trainer import Trainer

ROUNDS = 12
SIZES = ((8, 64), (28, 16))
"""Sides of images and their batches."""
STAGES = (
    ("mlp-small", 8, 128),
    ("mlp-medium", 8, 128),
    ("unet-small", 8, 64),
    ("dit-tiny", 8, 64),
    ("dit-tiny", 28, 16),
)
"""Networks whose steps are taken apart, the side of their images and their batch."""
SMOKE_STAGES = (("mlp-small", 8, 8), ("unet-tiny", 8, 8), ("dit-tiny", 8, 8))
_MAKE: list[Make] = []
"""In a library's process: what makes its step."""


def _start(threads: int, make: Make) -> None:
    torch.set_num_threads(threads)
    _MAKE.append(make)


@cache
def _made(side: int, batch: int) -> tuple[Step, int]:
    return _MAKE[0](side, batch)


def _parameters(side: int, batch: int) -> int:
    return _made(side, batch)[1]


def _time(side: int, batch: int) -> float:
    return seconds(_made(side, batch)[0])


def compare(
    title: str, methods: dict[str, Make], sizes: tuple[tuple[int, int], ...] = SIZES, rounds: int = ROUNDS
) -> list[str]:
    """Libraries in turn, step by step. Returns a line for each peer: by what factor diffbench is faster."""
    lines: list[str] = []
    os.environ["TQDM_DISABLE"] = "1"  # for the processes to come: smalldiffusion's loop shows a bar
    context = multiprocessing.get_context("spawn")
    pools = {
        name: ProcessPoolExecutor(1, context, _start, (torch.get_num_threads(), make)) for name, make in methods.items()
    }
    for side, batch in sizes:
        print(f"{title}, images 1x{side}x{side}, batch {batch}")
        parameters = {}
        for name, pool in pools.items():
            try:
                parameters[name] = pool.submit(_parameters, side, batch).result()
            except ImportError as error:
                print(f"  {name:<28} left out: {error}")
        times = take_turns(
            {name: lambda pool=pools[name]: pool.submit(_time, side, batch).result() for name in parameters},  # noqa: B023
            rounds,
        )
        for name, values in times.items():
            least = min(values)
            print(
                f"  {name:<28} {parameters[name]:>9,} parameters {1000 * least:8.2f} ms {batch / least:7.0f} images/s"
                f"   diffbench is {ratio(values, times['diffbench'])} times as fast"
            )
            if name != "diffbench":
                lines.append(f"{title} 1x{side}x{side}, {name} / diffbench: {ratio(values, times['diffbench'])}")
    for pool in pools.values():
        pool.shutdown()
    return lines


def layers_alone(training: Trainer, side: int, batch: int) -> tuple[float, float]:
    """Seconds of forward and backward of convolutions and linear layers, one by one, and their operations."""
    calls: list[tuple[nn.Conv2d | nn.Linear, Tensor]] = []

    def record(layer: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        calls.append((layer, inputs[0].detach()))

    layers = [layer for layer in training.network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(record) for layer in layers]  # pyright: ignore[reportArgumentType]
    training.network(images(side)[0][:batch], torch.ones(batch))
    for hook in hooks:
        hook.remove()
    total = operations = 0.0
    for layer, x in calls:
        output = layer(x.requires_grad_(x.ndim > 2))
        total += best(lambda: layer(x).backward(output.detach()), 7)  # noqa: B023
        operations += 6 * output.numel() * layer.weight.numel() / len(layer.weight)
    return total, operations


def stages(name: str, side: int, batch: int, longest: int = 300) -> str:
    """Where the time of a step goes, each part beside what it cannot be faster than.

    longest: calls of a part at most, of which the fastest counts. Returns a line with the ratio that says most.
    """
    definition = PRESETS[name]
    assert isinstance(definition, Mlp | Unet | Dit)
    training = trainer(definition, side, batch)
    data = images(side)
    drawn = training._draw(*data, 0)
    repeats = min(longest, max(8, int(2 / best(lambda: training._backward(drawn), 3))))
    losses = training._backward(drawn)
    gradients = [parameter.grad for parameter in training._parameters if parameter.grad is not None]
    vector = training._weights
    copy = vector.clone()
    passed = best(lambda: copy.copy_(vector), 50) / 2  # seconds for reading or writing as many numbers as weights
    if isinstance(definition, Mlp):  # its products are no layers
        floor = 3 * batch * describe(training.network, (1, side, side))["flops_per_image"] / product_rate()
        bound = "its matrix products at full rate"
    else:
        floor, operations = layers_alone(training, side, batch)
        bound = f"its layers alone, {operations / floor / 1e9:.0f} GFlop/s"

    steps = training.run(*data, seed=0, stop=sys.maxsize)
    whole = best(lambda: next(steps), repeats)
    rows = [
        ("forward and backward", best(lambda: training._backward(drawn), repeats), floor, bound),
        ("Adam", best(lambda: training._optimizer.update(gradients), 50), 7 * passed, "7 passes over memory"),
        ("EMA", best(lambda: training._ema.lerp_(vector, 1e-9), 50), 3 * passed, "3 passes over memory"),
        ("draw", best(lambda: training._draw(*data, 0), 50), best(lambda: torch.randn(drawn.clean.shape), 50), "noise"),
    ]
    training._backward = lambda batch: losses  # what is left of the loop
    outside = best(lambda: next(steps), 50) - rows[1][1]
    print(f"{name}, images 1x{side}x{side}, batch {batch}: {1000 * whole:.2f} ms")
    for part, spent, least, what in rows:
        print(
            f"  {part:<22} {1000 * spent:8.2f} ms {100 * spent / whole:5.1f} %"
            f"   {spent / least:5.2f} times its floor ({what})"
        )
    print(f"  loop outside forward, backward and optimizer {100 * outside / whole:.1f} %")
    measured = rows[0][1]
    return f"{name} 1x{side}x{side}, forward and backward / {bound.split(',')[0]}: {measured / floor:.2f}"


def measure(threads: int, smoke: bool) -> None:
    """Everything with so many threads; smoke: something of everything, in some seconds, without peers."""
    torch.set_num_threads(threads)
    print(f"threads: {threads}, matrix product 1024^3: {product_rate() / 1e9:.0f} GFlop/s")
    if smoke:
        lines = [stages(*stage, longest=3) for stage in SMOKE_STAGES]
        lines += compare("U-Net", {"diffbench": UNETS["diffbench"]}, sizes=((8, 8),), rounds=2)
    else:
        lines = [stages(*stage) for stage in STAGES] + compare("U-Net", UNETS) + compare("Diffusion transformer", DITS)
    print(f"ratios, {threads} threads:", *lines, sep="\n  ")


def main() -> None:
    """Read the command line; each number of threads has a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("threads", nargs="?", type=int, help="number of threads; without it: 1, then 2")
    parser.add_argument("--smoke", action="store_true", help="only see that it runs, in some seconds, with 1 thread")
    arguments = parser.parse_args()
    if arguments.threads is not None:
        measure(arguments.threads, arguments.smoke)
        return
    for threads in THREADS[:1] if arguments.smoke else THREADS:
        subprocess.run([sys.executable, *sys.argv, str(threads)], check=True)


if __name__ == "__main__":
    main()
