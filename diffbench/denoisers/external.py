"""Denoisers made elsewhere: what a study's `import` names, called in its own pixel scale, every output checked."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from diffbench.conventions import DiffbenchError
from diffbench.data.scales import BYTES, NORMALISED, misfit
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import NoiseError
from diffbench.denoisers.outside import contained
from diffbench.files.estimates import LATENTS
from diffbench.settings.data import Decoder
from diffbench.settings.models import External
from diffbench.shapes import Float, Float32, Int64

ROUNDED_DOWN = 0.999
"""Of the most noise that a model knows: to be told in four digits, and copied."""


class ExternalDenoiser:
    """A function D_f of pixels x_f = p x + q as a denoiser of the suite's scaled x.

    x_f = x0_f + p sigma n where x = x0 + sigma n, so D(x, sigma) = (D_f(p x + q, p sigma) - q) / p exactly. D_f gets
    float32 x (m, *shape), float32 sigma (m,) and int64 label (m,), or None in a study without conditions and where
    classifier-free guidance asks for the unconditional model. Where labels stand for `vectors` (labels, *b) it gets
    these, float32 (m, *b), in their place. All are its own to write into, and its result is copied.
    DiffbenchError for whatever it returns that is no estimate of the images, or raises.
    """

    def __init__(
        self,
        model: Callable[..., object],
        name: str,
        device: torch.device,
        affine: tuple[float, float] = (1.0, 0.0),
        conditional: bool = True,
        vectors: Float32[np.ndarray, " labels *b"] | None = None,
    ) -> None:
        self.network = model.to(device).eval().requires_grad_(False) if isinstance(model, nn.Module) else None
        self.device = device
        self._model = model
        self._name = name
        self._factor, self._offset = affine
        self._conditional = conditional
        # On the host: tokens of many images would fill a GPU.
        self._vectors = None if vectors is None else torch.from_numpy(vectors)

    @torch.no_grad()
    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """Estimate of x0. DiffbenchError if the model gives none; torch's own error where memory runs out."""
        theirs = (self._factor * x + self._offset).float()
        noise = (self._factor * sigma).float()
        condition = self._condition(label) if label is not None and self._conditional else None
        given = "without a label" if condition is None else "with labels"
        with contained(self._name, f"D(x, sigma, label), {given}, raised"):
            try:
                output = self._model(theirs, noise, condition)
            except torch.OutOfMemoryError as error:
                output = error
            except NoiseError as error:
                most = ROUNDED_DOWN * error.largest / self._factor
                raise DiffbenchError(f"{error} to {most:.4g}, in the study's scale, at most") from None
        if isinstance(output, torch.OutOfMemoryError):
            raise output  # no fault of the model's: fewer images at once may fit
        return (self._checked(output, x, sigma).to(x.dtype) - self._offset) / self._factor

    def _condition(self, label: Int64[Tensor, " m"]) -> Tensor:
        """A copy of the labels, or of the vectors that they stand for."""
        return label.clone() if self._vectors is None else self._vectors[label.cpu()].to(self.device)

    def _checked(
        self, output: object, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"]
    ) -> Float[Tensor, " m *shape"]:
        """What the model returned, if that is an estimate of x0."""
        shape = tuple(x.shape)
        if not isinstance(output, Tensor):
            raise self._error(f"returned {kind_of(output)}; a tensor of shape {shape} is expected")
        if tuple(output.shape) != shape:
            raise self._error(f"returned shape {tuple(output.shape)}; {shape} is expected, that of x")
        if output.dtype not in (torch.float32, torch.float64):
            raise self._error(f"returned {output.dtype}; torch.float32 is expected")
        if output.device != x.device:
            raise self._error(f"returned a tensor on {output.device}; it is expected on {x.device}, where x is")
        finite = output.isfinite().flatten(1).all(dim=1)
        if not finite.all():
            bad = float(sigma[~finite][0])
            raise self._error(f"returned NaN or infinite values at sigma = {bad:.4g}; finite ones are expected")
        return output

    def _error(self, text: str) -> DiffbenchError:
        return DiffbenchError(f"model '{self._name}': {text}")


Model = Callable[..., object]
"""A function D_f(x, sigma, label)."""

_AT_HAND: dict[str, Model] = {}


@contextmanager
def at_hand(definition: External, model: Model) -> Iterator[None]:
    """Within it this model stands for what the definition's factory would make: it is made once, or by the caller."""
    key = definition.model_dump_json()
    _AT_HAND[key] = model
    try:
        yield
    finally:
        del _AT_HAND[key]


def load_external(definition: External, training_set: TrainingSet, device: torch.device) -> ExternalDenoiser:
    """The model that a definition names, as a denoiser. DiffbenchError if there is none, or if its factory fails."""
    affine, conditional = pixel_scale(definition, training_set), training_set.label_count > 1
    model = _AT_HAND.get(definition.model_dump_json()) or make_model(definition)
    with contained(definition.factory, "moving the model to its device raised"):
        return ExternalDenoiser(model, definition.factory, device, affine, conditional, training_set.vectors)


def make_model(definition: External) -> Model:
    """Call the factory that a definition names. DiffbenchError if there is none, or if it fails."""
    return made_by_factory(definition, "model", "a function D(x, sigma, label)")


def made_by_factory(definition: External | Decoder, what: str, expected: str) -> Callable[..., object]:
    """The function that a definition's factory returns; what: it is, for messages. DiffbenchError if there is none."""
    name = definition.factory
    keywords: dict[str, object] = deepcopy(dict(definition.arguments))
    if definition.weights is not None:
        path = Path(definition.weights)
        if not path.exists():
            raise DiffbenchError(f"{what} '{name}': weights: {path}: no such file or folder")
        keywords["weights"] = path
    factory = import_factory(name, what)
    with contained(name, "the factory raised", what=what):
        made = factory(**keywords)
        if not callable(made):
            raise DiffbenchError(f"the factory returned {kind_of(made)}; {expected} is expected")
    return made


def import_factory(name: str, what: str = "model") -> Callable[..., object]:
    """The function "package.module:function", also from the working directory. DiffbenchError if it is not there."""
    module_name, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    here = f"; install it, or run where its folder is (here: {Path.cwd()})"
    with contained(name, f"{module_name} cannot be imported:", here, what):
        module = importlib.import_module(module_name)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        lack = "has no" if factory is None else "has no function"
        raise DiffbenchError(f"{what} '{name}': {module.__file__ or module_name} {lack} '{attribute}'")
    return factory


def pixel_scale(definition: External, training_set: TrainingSet) -> tuple[float, float]:
    """Factors (p, q) of x_f = p x + q, from scaled to the model's pixels. DiffbenchError if they are not known."""
    scaling = training_set.scaling
    if definition.scale == "suite":
        return 1.0, 0.0
    if definition.scale == "raw":
        return scaling.to_raw
    factor, offset = scaling.to_range(*_range(definition, training_set))
    return (factor / 2, (offset + 1) / 2) if definition.scale == "zero-one" else (factor, offset)


def _range(definition: External, training_set: TrainingSet) -> tuple[float, float]:
    """The range that was given, if the data fit it, or 0 to 255 if they are clearly bytes.

    A wrong range would falsify everything without a sound.
    """
    scales = training_set.raw_scales
    if definition.range is not None:
        for name, scale in scales.items():
            if problem := misfit(scale, definition.range):
                raise DiffbenchError(f"model '{definition.factory}': range: {name} images: {problem}")
        return definition.range
    scale = scales["train"]
    if training_set.raw_type == "uint8" and scale.ends == BYTES:
        return BYTES
    low, high = scale.ends or (scale.low, scale.high)
    as_they_are = scale.name == NORMALISED or training_set.space == LATENTS
    black = 0 if definition.scale == "zero-one" else -1
    form = "scale: raw, if it knows them as they are" if as_they_are else f"range: [{low:g}, {high:g}]"
    raise DiffbenchError(
        f"model '{definition.factory}': say which raw values are {black} and 1 to it, such as {form};"
        f" the images are stored as {training_set.raw_type}, their values lie in {scale.text}"
    )


def kind_of(value: object) -> str:
    """What a value is, for messages."""
    return "None" if value is None else f"a value of type {type(value).__module__}.{type(value).__qualname__}"
