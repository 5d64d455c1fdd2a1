"""Text and paths that are UTF-8 in any locale: Python takes names for ASCII where the locale says so."""

import os
import sys
from pathlib import Path


def plain_text(name: str) -> str:
    """An argument or the name of a file as the text that it is in UTF-8; bytes that are none stay escaped."""
    if not any("\udc80" <= character <= "\udcff" for character in name):
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def path_of(text: str) -> Path:
    """The path that text of a study or a JSON argument names."""
    return Path(os.fsdecode(text.encode("utf-8", "surrogateescape")))


def print_anything() -> None:
    """Let characters that the terminal or log cannot show be printed as escapes, not stop the program."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
