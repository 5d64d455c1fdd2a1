"""Decoders made elsewhere: what a study's `decoder` names turns latents into pictures, every output checked."""

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from diffbench.conventions import DiffbenchError
from diffbench.data.formats.spool import spooled
from diffbench.data.raw_images import block_length
from diffbench.denoisers.external import kind_of, made_by_factory
from diffbench.denoisers.outside import contained
from diffbench.files.store import StoredArray
from diffbench.settings.data import Decoder
from diffbench.shapes import Float

AT_ONCE = 8
"""Latents that a decoder is handed: the autoencoders of today take hundreds of MB for each."""


Latents = StoredArray | np.ndarray
"""Raw latents (n, C, H, W), in a file or in memory."""


class PictureDecoder:
    """A function of raw latents (m, C, H, W), float32, that returns pictures (m, c, h, w), of one shape for all.

    What it is handed is its own to write into. DiffbenchError for whatever it returns that is none, or raises.
    """

    def __init__(self, decode: Callable[..., object], name: str, device: torch.device) -> None:
        if isinstance(decode, nn.Module):
            decode = decode.to(device).eval().requires_grad_(False)
        self._decode, self._name, self._device = decode, name, device
        self._shape: tuple[int, ...] | None = None

    def decoded(self, latents: Latents) -> Float[np.ndarray, "n c h w"]:
        """Pictures of raw latents in float32, in a temporary file, a few at a time."""
        parts = self._parts(latents)
        first = next(parts)
        return spooled((latents.shape[0], *first.shape[1:]), first.dtype, chain([first], parts))

    def _parts(self, latents: Latents) -> Iterator[Float[np.ndarray, "m c h w"]]:
        length = AT_ONCE * max(1, block_length(latents.shape[1:]) // AT_ONCE)
        for start in range(0, latents.shape[0], length):
            block = latents[start : start + length]
            for row in range(0, len(block), AT_ONCE):
                yield self._pictures(block[row : row + AT_ONCE], start + row)

    @torch.no_grad()
    def _pictures(self, latents: np.ndarray, start: int) -> Float[np.ndarray, "m c h w"]:
        given = torch.from_numpy(latents.astype(np.float32)).to(self._device)
        with contained(self._name, "decode(latents) raised", what="decoder"):
            try:
                output = self._decode(given)
            except torch.OutOfMemoryError as error:
                output = error
        if isinstance(output, torch.OutOfMemoryError):
            raise output
        return self._checked(output, len(latents), start).float().cpu().numpy().copy()  # it may use its buffer again

    def _checked(self, output: object, count: int, start: int) -> Float[Tensor, "m c h w"]:
        if not isinstance(output, Tensor):
            raise self._error(f"returned {kind_of(output)}; a tensor of pictures (m, c, h, w) is expected")
        shape = tuple(output.shape)
        if len(shape) != 4 or 0 in shape:
            raise self._error(f"returned shape {shape}; pictures ({count}, c, h, w) are expected")
        if shape[0] != count:
            raise self._error(f"returned {shape[0]} pictures of {count} latents; one of each is expected")
        if not output.is_floating_point():
            raise self._error(f"returned {output.dtype}; floats are expected")
        self._shape = self._shape or shape[1:]
        if shape[1:] != self._shape:
            raise self._error(f"returned pictures of shape {shape[1:]} after some of {self._shape}; one is expected")
        finite = output.isfinite().flatten(1).all(dim=1)
        if not finite.all():
            bad = start + int((~finite).nonzero()[0])
            raise self._error(f"returned NaN or infinite values for latent {bad}, counted from 0")
        return output

    def _error(self, text: str) -> DiffbenchError:
        return DiffbenchError(f"decoder '{self._name}': {text}")


def load_decoder(definition: Decoder, device: torch.device) -> PictureDecoder:
    """Call the factory that a definition names. DiffbenchError if there is none, or if it fails."""
    decode = made_by_factory(definition, "decoder", "a function of latents")
    with contained(definition.factory, "the decoder raised", what="decoder"):
        return PictureDecoder(decode, definition.factory, device)
