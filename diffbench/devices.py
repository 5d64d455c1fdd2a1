"""Where networks run."""

import torch

from diffbench.conventions import DiffbenchError


def pick_device(setting: str) -> torch.device:
    """The device for "auto", "cpu" or "cuda". Auto takes the visible GPU with the most free memory, else the CPU."""
    if setting == "cpu" or (setting == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DiffbenchError("device: cuda was asked for but torch sees no GPU; use auto or cpu")
    free = [torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())]
    return torch.device("cuda", free.index(max(free)))
