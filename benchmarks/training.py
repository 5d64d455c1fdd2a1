"""Training steps per second against peers, and where a step's time goes. One run, same data, same batch.

    python benchmarks/training.py [threads]

Without a number of threads, runs with 1 and then with 2. Peers (the extra "benchmark") that are not installed are left
out; peers.py says how each one trains. Every library has a process of its own, and they take turns. Read the ratios
rather than the times, and the part of a step beside its floor: no network here can be faster than its own layers.
"""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import torch
from peers import DITS, UNETS, Make, Step, images, trainer
from torch import Tensor, nn
from turns import best, product_rate, ratio, seconds, take_turns, with_threads

from diffbench.denoisers.build import describe
from diffbench.settings.models import PRESETS, Dit, Mlp, Unet
from diffbench.training.trainer import Trainer

ROUNDS = 12
SIZES = ((8, 64), (28, 16))
"""Sides of images and their batches."""
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


def compare(title: str, methods: dict[str, Make]) -> None:
    """Libraries in turn, step by step."""
    os.environ["TQDM_DISABLE"] = "1"  # for the processes to come: smalldiffusion's loop shows a bar
    context = multiprocessing.get_context("spawn")
    pools = {
        name: ProcessPoolExecutor(1, context, _start, (torch.get_num_threads(), make)) for name, make in methods.items()
    }
    for side, batch in SIZES:
        print(f"{title}, images 1x{side}x{side}, batch {batch}")
        parameters = {}
        for name, pool in pools.items():
            try:
                parameters[name] = pool.submit(_parameters, side, batch).result()
            except ImportError as error:
                print(f"  {name:<28} left out: {error}")
        times = take_turns(
            {name: lambda pool=pools[name]: pool.submit(_time, side, batch).result() for name in parameters},  # noqa: B023
            ROUNDS,
        )
        for name, values in times.items():
            least = min(values)
            print(
                f"  {name:<28} {parameters[name]:>9,} parameters {1000 * least:8.2f} ms {batch / least:7.0f} images/s"
                f"   diffbench is {ratio(values, times['diffbench'])} times as fast"
            )
    for pool in pools.values():
        pool.shutdown()


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


def stages(name: str, side: int, batch: int, rate: float) -> None:
    """Where the time of a step goes, each part beside what it cannot be faster than."""
    definition = PRESETS[name]
    assert isinstance(definition, Mlp | Unet | Dit)
    training = trainer(definition, side, batch)
    data = images(side)
    drawn = training._draw(*data, 0)
    repeats = max(8, min(300, int(2 / best(lambda: training._backward(drawn), 3))))
    losses = training._backward(drawn)
    gradients = [parameter.grad for parameter in training._parameters if parameter.grad is not None]
    vector = training._weights
    copy = vector.clone()
    passed = best(lambda: copy.copy_(vector), 50) / 2  # seconds for reading or writing as many numbers as weights
    if isinstance(definition, Mlp):  # its products are no layers
        floor = 3 * batch * describe(training.network, (1, side, side))["flops_per_image"] / rate
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


def main() -> None:
    """Measure with the threads that torch has now."""
    rate = product_rate()
    print(f"threads: {torch.get_num_threads()}, matrix product 1024^3: {rate / 1e9:.0f} GFlop/s")
    stages("mlp-medium", 8, 128, rate)
    stages("unet-small", 8, 64, rate)
    stages("dit-tiny", 8, 64, rate)
    compare("U-Net", UNETS)
    compare("Diffusion transformer", DITS)


if __name__ == "__main__":
    with_threads(main)
