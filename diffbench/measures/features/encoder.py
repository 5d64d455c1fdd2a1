"""An external encoder, given as a file: TorchScript, or a program of torch.export (.pt2). torch is imported late."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.measures.features.program import Program
from diffbench.measures.features.torchscript import load_torchscript
from diffbench.measures.neighbors import Images
from diffbench.shapes import Float, Float32, UInt8

BATCH = 128


@dataclass(frozen=True)
class Encoder:
    """A network that turns images (m, *shape) of float32, in the data set's own units, into features (m, k)."""

    file: str  # its name, for messages and the name of the space
    content: UInt8[np.ndarray, " bytes"]  # the file's bytes, so that what was used can be used again
    shape: tuple[int, ...]  # of one image
    scaling: Scaling

    @property
    def name(self) -> str:
        """Named beside every value measured in the space."""
        return f"encoder:{self.file}"

    def transform(self, images: Float[Images, "m d"]) -> Float32[np.ndarray, "m k"]:
        """Scaled flat images to features, on the CPU. DiffbenchError if the network cannot."""
        import torch

        count = images.shape[0]
        network = self._network
        parts: list[np.ndarray] = []
        for start in range(0, count, BATCH):
            block = self.scaling.raw(images[start : start + BATCH])
            batch = torch.from_numpy(block.astype(np.float32).reshape(-1, *self.shape))
            try:
                with torch.inference_mode():
                    output = network(batch)
            except Exception as error:  # whatever an external network raises
                raise DiffbenchError(
                    f"{self.file}: fails on images of shape {tuple(batch.shape)}: {_first_line(error)}; it must take"
                    " float32 images in any number"
                ) from None
            parts.append(self._checked(output, len(batch)))
        return np.concatenate(parts)

    def _checked(self, output: object, count: int) -> Float32[np.ndarray, "{count} k"]:
        import torch

        if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != count or output.shape[1] == 0:
            given = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise DiffbenchError(f"{self.file}: gives {given} for {count} images; features must be ({count}, k)")
        features = output.float().numpy().copy()  # a network may use its buffer again
        if not np.isfinite(features).all():
            raise DiffbenchError(f"{self.file}: gives NaN or infinite features")
        return features

    @cached_property
    def _network(self) -> Callable[..., object]:
        content = self.content.tobytes()
        try:
            return Program(content) if self.file.endswith(".pt2") else load_torchscript(content)
        except DiffbenchError as error:
            raise DiffbenchError(f"{self.file}: {error}") from None
        except Exception as error:  # torch raises what it likes on other bytes
            raise DiffbenchError(
                f"{self.file}: neither TorchScript (torch.jit.save) nor, with the ending .pt2, a program of"
                f" torch.export ({_first_line(error)})"
            ) from None


def read_encoder(path: Path, shape: tuple[int, ...], scaling: Scaling) -> Encoder:
    """The encoder in a file, for images of `shape`, checked on a grey image. DiffbenchError if it is not one."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DiffbenchError(f"measures.quality.encoder: {path}: {error.strerror}") from None
    encoder = Encoder(path.name, content, shape, scaling)
    encoder.transform(np.zeros((2, math.prod(shape)), np.float32))
    return encoder


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
