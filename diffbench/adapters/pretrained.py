"""Networks of diffusers from the folders that save_pretrained wrote, with all of their weights."""

from pathlib import Path
from typing import Any

from torch import nn

from diffbench.adapters.libraries import library
from diffbench.adapters.state import check_names
from diffbench.conventions import DiffbenchError

FILES = "diffusion_pytorch_model"


def pretrained(kind: Any, folder: Path, needed: tuple[str, ...] = ("",)) -> nn.Module:
    """The network of a class of diffusers that lies in a folder, in float32 and in evaluation mode.

    needed: beginnings of the names of the weights that it is used with. DiffbenchError where one of them is not in the
    folder, which the library fills with noise, or bears a name that the network does not know.
    """
    library("diffusers").utils.logging.set_verbosity_error()  # what it would warn of is an error here, or nothing
    try:
        model, told = kind.from_pretrained(
            folder, local_files_only=True, variant=_variant(folder), output_loading_info=True
        )
    except (AttributeError, OSError, ValueError, RuntimeError, TypeError) as error:
        raise DiffbenchError(f"weights: {folder}: {' '.join(str(error).split())}") from None
    missing, unknown = (
        sorted(name for name in told[f"{each}_keys"] if name.startswith(needed)) for each in ("missing", "unexpected")
    )
    check_names(folder, missing, unknown)
    return model.float().eval()


def _variant(folder: Path) -> str | None:
    """fp16, say, where the folder holds the weights in that form alone."""
    files = [path.name for path in folder.glob(f"{FILES}.*") if path.suffix in (".safetensors", ".bin")]
    variants = {name.split(".")[1] for name in files if name.count(".") == 2}
    return variants.pop() if len(variants) == 1 and all(name.count(".") == 2 for name in files) else None
