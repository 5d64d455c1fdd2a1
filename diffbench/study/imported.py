"""The user's files that what a Python function makes is read from: its weights, and all that its arguments name."""

import os
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from diffbench.files.surroundings import path_of
from diffbench.settings.data import Decoder
from diffbench.settings.models import External


def files_of(made: External | Decoder) -> list[str]:
    """Paths of the files and folders: the weights, and what among the texts in the arguments exists."""
    named = {text for text in _texts(made.arguments) if text and os.path.exists(path_of(text))}
    return [*([made.weights] if made.weights is not None else []), *sorted(named)]


def contents_of(made: External | Decoder, contents: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    """Fingerprints of their contents among those of all of the user's files, as inputs of a job."""
    weights = {} if made.weights is None else {f"{prefix}weights": contents.get(made.weights, "")}
    named = sorted({text for text in _texts(made.arguments) if text in contents})
    return weights | {f"{prefix}file {text}": contents[text] for text in named}


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
