"""Where networks run."""

import os
import tempfile
from itertools import count
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from diffbench.conventions import DiffbenchError

_seats: list[FileLock] = []
"""Locks of the seats that this process has taken: kept, hence locked, as long as it lives, however it ends."""


def pick_device(setting: str) -> torch.device:
    """The device for "auto", "cpu" or "cuda". Auto takes a GPU among the visible ones, else the CPU.

    Jobs that start at the same moment see the same free memory; so each job takes a seat on its GPU, and the GPU with
    the fewest taken seats is chosen, among equals the one with the most free memory. CUDA_VISIBLE_DEVICES is respected.
    """
    if setting == "cpu" or (setting == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DiffbenchError("device: cuda was asked for but torch sees no GPU; use auto or cpu")
    free = {index: torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())}
    emptiest_first = sorted(free, key=lambda index: -free[index])
    return torch.device("cuda", _take_seat(emptiest_first) if len(free) > 1 else 0)


def _take_seat(devices: list[int]) -> int:
    """The first device on which a seat is free: all first seats come before any second one.

    Each user has seats of their own, since one may not lock the files of another.
    """
    folder = Path(tempfile.gettempdir())
    for seat in count():
        for device in devices:
            name = torch.cuda.get_device_properties(device).uuid
            lock = FileLock(folder / f"diffbench-{os.getuid()}-gpu-{name}-seat{seat}.lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                continue
            _seats.append(lock)
            return device
    raise AssertionError("seats never end")
