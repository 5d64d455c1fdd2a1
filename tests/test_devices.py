"""The choice of a device: jobs spread over GPUs, and a seat is free again however its job ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from diffbench import devices
from diffbench.conventions import DiffbenchError
from diffbench.devices import pick_device


def fake_gpus(monkeypatch: pytest.MonkeyPatch, folder: Path, free: list[int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: len(free) > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (free[index], 100))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"id{index}"))
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(folder))
    monkeypatch.setattr(devices, "_seats", [])


def test_jobs_spread_over_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All GPUs once, the emptiest first, before any twice; a seat is free again when its job ends."""
    fake_gpus(monkeypatch, tmp_path, [30, 90, 60])
    assert [pick_device("auto").index for _ in range(7)] == [1, 2, 0, 1, 2, 0, 1]
    devices._seats[1].release()
    assert pick_device("cuda").index == 2


JOB = """
import time
from types import SimpleNamespace
import torch
from diffbench.devices import pick_device
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 2
torch.cuda.mem_get_info = lambda index: (90 - index, 100)
torch.cuda.get_device_properties = lambda index: SimpleNamespace(uuid=f"id{index}")
print(pick_device("auto").index, flush=True)
time.sleep(600)
"""


def test_a_killed_job_holds_no_seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes see each other's seats, and the kernel frees those of one that could not free them itself."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", JOB], stdout=subprocess.PIPE, text=True, env=environment) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "0\n"
        fake_gpus(monkeypatch, tmp_path, [90, 89])
        assert pick_device("auto").index == 1
        job.send_signal(signal.SIGKILL)
    assert [pick_device("auto").index for _ in range(2)] == [0, 0]


def test_devices_without_a_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpus(monkeypatch, tmp_path, [50])
    assert [pick_device("auto"), pick_device("cuda")] == [torch.device("cuda", 0)] * 2
    assert pick_device("cpu") == torch.device("cpu")
    assert os.listdir(tmp_path) == []
    fake_gpus(monkeypatch, tmp_path, [])
    assert pick_device("auto") == torch.device("cpu")
    with pytest.raises(DiffbenchError, match="torch sees no GPU; use auto or cpu"):
        pick_device("cuda")
