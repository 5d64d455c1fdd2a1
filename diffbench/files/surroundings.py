"""What the surroundings may lack: a locale that knows UTF-8, a terminal that shows it, a home, room for a log."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

THREAD_VARIABLES = (
    *(f"{library}_NUM_THREADS" for library in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")),
    "VECLIB_MAXIMUM_THREADS",
)
"""Environment variables of numbers of threads: Snakemake sets them for each job."""


class Log:
    """Standard error for what is no result: where its disk is full, the program goes on."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)  # encoding and width, by which progress bars are drawn


def plain_text(name: str) -> str:
    """An argument or the name of a file as the text that it is in UTF-8; bytes that are none stay escaped."""
    if not any("\udc80" <= character <= "\udcff" for character in name):
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def title_of(name: str) -> str:
    """An argument as text that pages can show: bytes that are no UTF-8 are shown as escapes."""
    return plain_text(name).encode("utf-8", "backslashreplace").decode("utf-8")


def path_of(text: str) -> Path:
    """The path that text of a study or a JSON argument names."""
    return Path(os.fsdecode(text.encode("utf-8", "surrogateescape")))


def print_anything() -> None:
    """Let characters that the terminal or log cannot show be printed as escapes, not stop the program."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def ensure_home() -> None:
    """Let the working directory stand for a home where the user has none, as in containers: libraries ask for one."""
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = str(Path.cwd())
