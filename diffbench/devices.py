"""Where networks run."""

import fcntl
import tempfile
from itertools import count
from pathlib import Path
from typing import IO

import torch

from diffbench.conventions import DiffbenchError

_held: list[IO[str]] = []
"""Lock files of the GPUs that this process runs on: open, hence locked, as long as it lives."""


def pick_device(setting: str) -> torch.device:
    """The device for "auto", "cpu" or "cuda". Auto takes a GPU among the visible ones, else the CPU.

    Jobs that start at the same moment see the same free memory; so each job takes a seat on its GPU, and the
    GPU with the fewest taken seats is chosen, among equals the one with the most free memory.
    CUDA_VISIBLE_DEVICES is respected.
    """
    if setting == "cpu" or (setting == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DiffbenchError("device: cuda was asked for but torch sees no GPU; use auto or cpu")
    free = {index: torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())}
    emptiest_first = sorted(free, key=lambda index: -free[index])
    return torch.device("cuda", _take_seat(emptiest_first) if len(free) > 1 else 0)


def _take_seat(devices: list[int]) -> int:
    """The first device on which a seat is free: all first seats come before any second one."""
    folder = Path(tempfile.gettempdir())
    for seat in count():
        for device in devices:
            name = torch.cuda.get_device_properties(device).uuid
            file = (folder / f"diffbench-gpu-{name}-seat{seat}.lock").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _held.append(file)
            return device
    raise AssertionError("seats never end")
