"""Freed memory stays with the process: later training steps cause hardly any page faults."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from diffbench.denoisers.build import fresh_network
from diffbench.settings.models import Unet
from diffbench.training.allocator import keep_freed_memory
from diffbench.settings.training import TrainingSettings
from diffbench.training.trainer import Trainer

if {keep}:
    keep_freed_memory()
torch.set_num_threads(1)
network = fresh_network(Unet(channels=32, multipliers=(1, 2), blocks=1), (1, 16, 16), 2, seed=0)
steps = Trainer(network, TrainingSettings(batch=16)).run(torch.zeros(64, 1, 16, 16), torch.zeros(64).long(), 0, 100)
for _ in range(6):
    next(steps)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    next(steps)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> int:
    """Page faults of twenty steps after the first six: those of one step vary too much to be compared."""
    program = PROGRAM.format(keep=keep)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_training_takes_its_memory_once() -> None:
    assert faults(keep=True) < faults(keep=False) / 4
