"""What is inspected, and how: the options of the command, and the study of one cell that they mean."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from unicodedata import normalize

from diffbench.conventions import SIGMA_MAX, DiffbenchError
from diffbench.data.catalog import facts
from diffbench.data.raw_images import Facts
from diffbench.files.surroundings import plain_text, title_of
from diffbench.settings.data import LATENTS, DataSettings
from diffbench.settings.granularity import GIVEN
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.study import Study


class Effort(NamedTuple):
    """How much is measured."""

    samples: int
    steps: int  # of the sampler
    levels: int  # noise levels of the gap
    noises: int  # draws per image and level
    images: int  # of either set, at most, behind losses and attacks


WHOLE = Effort(samples=512, steps=18, levels=24, noises=8, images=2048)
FEWEST = 512
"""Of these, where there are so many, however few are held out: losses of training images are to be known as well."""
QUICK = Effort(samples=128, steps=10, levels=8, noises=2, images=128)

ANY_MODEL = "model"
"""Name in tables of a model whose title has no letter a to z and no digit, or is called as a folder of results is."""

HELD_OUT = 10_000
"""Held-out images at most; more are left aside. Floors and quality are measured on all of them."""


@dataclass(frozen=True)
class Inspection:
    """What is inspected, and how."""

    model: Annotated[str, "package.module:factory, which returns D(x, sigma, label), see config/README.md"]
    train: Annotated[Path, "all images that the model was trained on: a .npz, .npy or .h5 file, or a folder of images"]
    held_out: Annotated[Path, f"images that it was not trained on, in the same form; {HELD_OUT:,} are used at most"]
    out: Annotated[Path, "folder to write; one of an earlier inspection is overwritten"]
    name: Annotated[str | None, "title of the pages, any text; --model if left out"] = None
    quick: Annotated[bool, "a first answer, from a small part of what is measured otherwise"] = False
    weights: Annotated[str | None, "file or folder that the factory gets as `weights`"] = None
    arguments: Annotated[str, "keywords of the factory, a JSON object"] = "{}"
    scale: Annotated[str, "pixels that the model knows: minus-one-one, zero-one, raw or suite"] = "minus-one-one"
    range: Annotated[str | None, "raw values that are -1 (or 0) and 1 to the model, LOW,HIGH; 0,255 if left out"] = None
    images: Annotated[str | None, "name of the array of images in the files"] = None
    labels: Annotated[str | None, "name of the array of class labels in the files"] = None
    layout: Annotated[str | None, "axes of each image in an array where shapes do not tell: CHW, HWC or HW"] = None
    channels: Annotated[int | None, "take the first so many channels"] = None
    decoder: Annotated[str | None, "of latents: package.module:factory, which returns a function of them"] = None
    decoder_weights: Annotated[str | None, "file or folder that its factory gets as `weights`"] = None
    decoder_arguments: Annotated[str, "keywords of its factory, a JSON object"] = "{}"
    conditions: Annotated[
        str | None, "vectors that the model is conditioned on: the name of an array in the files, FILE or FILE:ARRAY"
    ] = None
    held_out_conditions: Annotated[str | None, "the same of held-out images, where they are in another file"] = None
    granularity: Annotated[
        str | None, "conditions that the model gets: none, classes or given; given if there are --conditions, else none"
    ] = None
    resize: Annotated[int | None, "side in pixels that images are reduced to, by area averaging"] = None
    samples: Annotated[int | None, f"samples to draw; {WHOLE.samples}, with --quick {QUICK.samples}"] = None
    steps: Annotated[int | None, f"steps of the sampler; {WHOLE.steps}, with --quick {QUICK.steps}"] = None
    solver: Annotated[str, "solver of the probability-flow ODE: heun, euler or dpmpp-2m"] = "heun"
    gap_levels: Annotated[int | None, f"noise levels of the gap; {WHOLE.levels}, with --quick {QUICK.levels}"] = None
    noises: Annotated[int | None, f"noises per image and level; {WHOLE.noises}, with --quick {QUICK.noises}"] = None
    sigma_max: Annotated[float, "highest noise level, where the model knows none of 80"] = SIGMA_MAX
    device: Annotated[str, "auto, cpu or cuda"] = "auto"

    @property
    def effort(self) -> Effort:
        """How much is measured: what is asked for, else as much as is usual."""
        usual = QUICK if self.quick else WHOLE
        asked = {"samples": self.samples, "steps": self.steps, "levels": self.gap_levels, "noises": self.noises}
        return usual._replace(**{name: value for name, value in asked.items() if value is not None})

    def facts(self) -> Facts:
        """What is known of the images before they are read. DiffbenchError if they cannot be used."""
        return facts(DataSettings.parse(self._data(), "inspect"))

    def study(self, train_size: int, held_out: int) -> Study:
        """The study of one cell, of so many distinct training images. DiffbenchError for what no study can be made of.

        held_out: how many images are. As many of either set are behind losses and attacks, within bounds.
        """
        name, effort = self._key(), self.effort
        images = min(effort.images, max(FEWEST, held_out))
        center = {"train_size": train_size, "granularity": self._granularity(), "guidance": 0.0}
        sampling = {"solver": self.solver, "steps": effort.steps, "sigma_max": self.sigma_max}
        sampling |= {"samples": effort.samples, "trajectories": min(256, effort.samples)}
        gap = {"levels": effort.levels, "noises": effort.noises, "images": images, "sigma_max": self.sigma_max}
        return parse_study(
            {
                "name": "inspection",
                "title": self.model if self.name is None else title_of(self.name),
                "data": self._data(),
                "models": {name: self._definition()},
                "steps": [1],
                "seeds": [0],
                "center": {"model": name} | center,
                "sampling": sampling,
                "measures": {"gap": gap},
                "device": self.device,
            }
            | ({"note": _first_answer(effort, images)} if self.quick else {}),
            "inspect",
        )

    def _key(self) -> str:
        """The model's name in tables, and its folder's: of the title what such a name may hold."""
        plain = normalize("NFKD", self.name or self.model).encode("ascii", "ignore").decode().lower()
        name = re.sub(r"[^a-z0-9.-]+", "-", plain).strip("-.")[:60].strip("-.")
        return ANY_MODEL if not name or name in layout.FOLDERS else name

    def _granularity(self) -> str:
        return self.granularity or ("none" if self.conditions is None else GIVEN)

    def _data(self) -> dict[str, Any]:
        source = {"name": self._source(), "validation": HELD_OUT}
        source |= {"path": plain_text(str(self.train)), "held_out": plain_text(str(self.held_out))}
        given = {"images": self.images, "labels": self.labels, "resize": self.resize}
        given |= {"conditions": self.conditions, "held_out_conditions": self.held_out_conditions}
        given |= {"layout": self.layout, "channels": self.channels}
        if self.decoder is not None:
            keywords = _keywords("decoder-arguments", self.decoder_arguments)
            given["decoder"] = {"import": self.decoder, "weights": self.decoder_weights, "arguments": keywords}
        return source | {key: value for key, value in given.items() if value is not None}

    def _source(self) -> str:
        """Name of the data set: latents may have as many channels as pictures."""
        if self.decoder is not None:
            return LATENTS
        return "folder" if self.train.is_dir() else "file"

    def _definition(self) -> dict[str, Any]:
        definition = {"import": self.model, "weights": self.weights, "scale": self.scale}
        definition["arguments"] = _keywords("arguments", self.arguments)
        if self.range is not None:
            definition["range"] = _ends(self.range)
        return definition


def _first_answer(effort: Effort, images: int) -> str:
    """What the pages say of a quick inspection."""
    return (
        f"A first answer (--quick): {effort.levels} noise levels, {effort.noises} noises, at most {images} images of"
        f" either set behind losses and attacks, {effort.samples} samples in {effort.steps} steps. Intervals are wide,"
        " and rare copies and low false positive rates are out of reach; inspect again without --quick before"
        " concluding anything."
    )


def _keywords(option: str, text: str) -> dict[str, Any]:
    """The JSON object of an option."""
    value = _json(text)
    if not isinstance(value, dict):
        raise DiffbenchError(f"--{option}: give a JSON object, such as '{{\"width\": 64}}' (got {text})")
    return value


def _ends(text: str) -> list[float]:
    """LOW,HIGH."""
    value = _json(f"[{text}]")
    if not isinstance(value, list) or [type(each) in (int, float) for each in value] != [True, True]:
        raise DiffbenchError(f"--range: give two numbers, such as 0,255 (got {text})")
    return value


def _json(text: str) -> Any:
    """A JSON value; None where there is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
