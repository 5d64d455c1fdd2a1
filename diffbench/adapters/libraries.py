"""The libraries of the extra `diffusers`, imported only where a model is theirs."""

import importlib
import sys
from types import ModuleType
from typing import Any

from diffbench.conventions import DiffbenchError


def library(name: str) -> Any:
    """A package of the extra. DiffbenchError if it cannot be imported."""
    hide_broken_torchvision()
    try:
        module: ModuleType = importlib.import_module(name)
    except ImportError as error:
        raise DiffbenchError(f"needs the package {name} ({error}): pip install 'diffbench[diffusers]'") from None
    return module


def hide_broken_torchvision() -> None:
    """Let diffusers and transformers go without a torchvision that does not fit the torch at hand.

    Both do where it is absent; where it is there and cannot be imported, none of their models can. Nothing here needs
    it.
    """
    if "torchvision" in sys.modules:
        return
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, OSError):
        for name in [name for name in sys.modules if name.startswith("torchvision.")]:
            del sys.modules[name]
        sys.modules["torchvision"] = None  # pyright: ignore[reportArgumentType]
