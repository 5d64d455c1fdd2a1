"""State dicts on disk, .safetensors or what torch.save wrote, loaded into a network without running any of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffbench.adapters.libraries import library
from diffbench.conventions import DiffbenchError


def load_state(network: nn.Module, path: Path, key: str | None = None) -> None:
    """Load a file's weights; key: entry of a checkpoint that holds them. DiffbenchError if they do not fit."""
    state = read_state(path, key)
    try:
        missing, unknown = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # sizes that differ
        raise DiffbenchError(f"weights: {path}: {' '.join(str(error).split())}") from None
    check_names(path, missing, unknown)


def check_names(path: Path, missing: Sequence[str], unknown: Sequence[str]) -> None:
    """Refuse weights of which the network lacks some, or does not know some."""
    for names, problem in ((missing, "lacks"), (unknown, "holds what the network does not have:")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise DiffbenchError(
                f"weights: {path}: {problem} {', '.join(names[:3])}{more}; they are of another network"
            )


def read_state(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """Tensors by their names."""
    if path.is_dir():
        raise DiffbenchError(f"weights: {path}: is a folder; give the file of a state dict")
    content = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    if key is not None:
        if not isinstance(content, Mapping) or key not in content:
            raise DiffbenchError(f"weights: {path}: has no '{key}'; {_entries(content)}")
        content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise DiffbenchError(
            f"weights: {path}: is no state dict; {_entries(content)}; give arguments: {{key: ...}}, the entry that is"
        )
    return dict(content)


def _safetensors(path: Path) -> Any:
    safetensors = library("safetensors.torch")
    try:
        return safetensors.load_file(path)
    except Exception as error:  # its own SafetensorError, which is an Exception
        raise DiffbenchError(f"weights: {path}: cannot be read: {' '.join(str(error).split())}") from None


def _torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of as many types as files can be broken in ways
        reason = " ".join(str(error).split())
        if "Weights only load failed" in reason:
            reason = "it holds more than tensors, and no code of it is run here; where it was made, write"
            reason += " torch.save(network.state_dict(), FILE)"
        raise DiffbenchError(f"weights: {path}: cannot be read: {reason}") from None


def _entries(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"it is a {type(content).__name__}"
    names = [str(name) for name in content]
    return f"it holds {', '.join(names[:6])}{' and more' if len(names) > 6 else ''}"
