"""Errors of an inspection in the words of its options: whoever typed no study file has no keys of one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from diffbench.conventions import DiffbenchError
from diffbench.inspection.options import HELD_OUT

OPTIONS = {
    r"(lower )?sampling\.sigma_max and measures\.gap\.sigma_max": r"\1--sigma-max",
    r"; inspect: key 'sampling\.trajectories'[^;]*": "",  # as many as samples, whose option is named
    r"key 'models\.[^']*?\.external': (\w+) (.*?) \(got \{.*\}\)": r"--\1: \2",
    r"key 'title'": "--name",
    r"key 'models\.[^']*?\.(external\.)?import'": "--model",
    r"key 'models\.[^']*?\.(external\.)?(weights|arguments|scale|range)(\.\w+)?'": r"--\2",
    r"key 'measures\.gap\.levels'": "--gap-levels",
    r"key 'measures\.gap\.noises'": "--noises",
    r"key '(sampling|measures\.gap)\.sigma_max'": "--sigma-max",
    r"key '(sampling|measures\.gap)': sigma_min must be below sigma_max.*": "--sigma-max: give more than 0.002",
    r"key 'sampling\.(samples|steps|solver)'": r"--\1",
    r"key 'data\.path'": "--train",
    r"key 'data\.held_out_conditions'": "--held-out-conditions",
    r"key 'data\.held_out'": "--held-out",
    r"key '(?:data\.)?(images|labels|resize|conditions|layout|channels)'": r"--\1",
    r"range: (train|validation) images: its values": r"--range: the \1 images' values",
    r"such as range: \[(\S+), (\S+)\]": r"such as --range \1,\2",
    r"such as scale: raw": "such as --scale raw",
    r"^device: ": "--device: ",
    r"key '(?:data\.)?decoder\.(Decoder\.)?(weights|arguments)(\.\w+)?'": r"--decoder-\2",
    r"key '(?:data\.)?decoder[^']*'": "--decoder",
    r"key 'center\.granularity'": "--granularity",
    r"granularity '(\S+)'": r"--granularity \1",
    r"give layout (\w+)": r"give --layout \1",
    r"give channels: (\d+) to leave that out, or name: latents": r"give --channels \1 to leave that out, or --decoder",
    r"use granularity (\w+)": r"use --granularity \1",
    r"give arguments: (?=\{)": "give --arguments ",
    r"key 'center\.train_size': .* \(got (\d+)\)": r"--train: \1 distinct image is too few; give at least 2",
    r"key 'device'": "--device",
    r"data\.(images|labels|resize|conditions)": r"--\1",
    r"beyond data\.validation": f"beyond the {HELD_OUT:,} that are used at most",
    r"path: (\d+ read)": r"--train: \1",
    r"held_out: (\d+ read)": r"--held-out: \1",
}
"""What a message says of a study file, as a pattern, and what it is here; the first that fits counts."""


@contextmanager
def own_words() -> Iterator[None]:
    """Within it errors name options instead of keys of a study file."""
    try:
        yield
    except DiffbenchError as error:
        told = in_own_words(str(error))
        if told == str(error):
            raise
        raise DiffbenchError(told) from error.__cause__


def in_own_words(text: str) -> str:
    """A message that names options; one that was told of two keys that are one option is told once."""
    for pattern, option in OPTIONS.items():
        text = re.sub(pattern, option, text)
    parts = [part.removeprefix("inspect: ") for part in text.split("; inspect: ")]
    return "; ".join(dict.fromkeys(parts))
