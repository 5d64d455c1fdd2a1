"""A look at the images of a study before it runs: what the data job would say of them, where that is quick."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from diffbench.conventions import DiffbenchError
from diffbench.data.account import as_attribute, line
from diffbench.data.catalog import bad_train_size, facts
from diffbench.data.formats import own_images
from diffbench.data.formats.own_images import Blames
from diffbench.data.image_source import ImageSource, Key
from diffbench.data.sources import Own, asked_of, source
from diffbench.files.surroundings import path_of
from diffbench.settings.data import DataSettings

AT_ONCE = 2**26
"""Values of images that are read for it, some seconds of work: of larger sets headers alone are."""

Told = Callable[[str, int, int], None]
"""Hears what is done next, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Preview:
    """What is known of the images."""

    lines: list[str]
    pool: int | None = None
    """Distinct images that are left to train on, where they were looked for."""


def preview(spec: DataSettings, told: Told) -> Preview:
    """What a study's own images hold; of sets that come from elsewhere, what is known of them.

    DiffbenchError names the key and the file that the data job would end at.
    """
    chosen = source(spec)
    lines = chosen.outlook(spec)
    keys: list[Key] = [key for key in ("path", "held_out") if key in spec.files_given]
    if not keys or not isinstance(chosen, ImageSource):
        return Preview(lines)
    for key in keys:
        _look_at_headers(spec, key, told)
    contents = [chosen.contents(spec, key) for key in keys]
    count = sum(each.count for each in contents)
    if sum(each.count * math.prod(each.shape) for each in contents) > AT_ONCE:
        return Preview([*lines, "repeated images are looked for when the study runs: there are too many for a plan"])
    told("images", 0, count)
    parts = chosen.split(spec)
    counted = f"images: {line(as_attribute(parts.sets))}"
    return Preview([counted if each.startswith("images: ") else each for each in lines], len(parts.pool.images))


def _look_at_headers(spec: DataSettings, key: Key, told: Told) -> None:
    place = path_of(spec.files_given[key])
    if place.is_dir() and isinstance(source(spec), Own):
        own_images.look(place, asked_of(spec), Blames.of_key(key), partial(told, "headers of images"))


def check_sizes(spec: DataSettings, seen: Preview, sizes: set[int]) -> None:
    """DiffbenchError for training sizes that are beyond the pool now that repeated images are known."""
    if seen.pool is None:
        return
    known = replace(facts(spec), pool=seen.pool)
    problems = [problem for size in sorted(sizes) if (problem := bad_train_size(spec, known, size)) is not None]
    if problems:
        raise DiffbenchError(f"key 'train_size': {'; '.join(problems)}, repeated ones left out")
