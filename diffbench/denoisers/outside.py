"""Code from outside, run so that what it does to the program becomes one line: exits, prints, argument parsers."""

import io
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from diffbench.conventions import DiffbenchError


class Held(io.TextIOBase):
    """Text that external code writes, shown on standard error later; loggers that keep this go on writing there."""

    def __init__(self) -> None:
        self._text: list[str] | None = []

    def write(self, text: str, /) -> int:
        """Keep the text, or pass it on once what was kept is shown."""
        if self._text is None:
            return sys.stderr.write(text)
        self._text.append(text)
        return len(text)

    def fileno(self) -> int:
        """That of standard error, which processes that are started write to."""
        return sys.stderr.fileno() if self._text is None else sys.__stderr__.fileno()  # pyright: ignore[reportOptionalMemberAccess]

    def release(self, shown: bool) -> str:
        """Show what was kept, or drop it. Returns its last line."""
        text, self._text = "".join(self._text or ()), None
        if shown:
            sys.stderr.write(text)
        return text.strip().rpartition("\n")[2]


@contextmanager
def contained(name: str, doing: str, remedy: str = "", what: str = "model") -> Iterator[None]:
    """Import a module or call what it holds: it sees no options of the program, and all it raises is a DiffbenchError.

    What it prints goes to standard error. Where it ends the program, only the last line is told, as of a usage text.
    """
    held, arguments = Held(), sys.argv
    sys.argv = arguments[:1]
    problem = None
    try:
        with redirect_stdout(held), redirect_stderr(held):
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        problem = error
    finally:
        sys.argv = arguments
        last = held.release(shown=not isinstance(problem, SystemExit))
    if isinstance(problem, DiffbenchError):
        raise DiffbenchError(f"{what} '{name}': {problem}") from None
    if isinstance(problem, SystemExit):
        said = f": {last}" if last else ""
        raise DiffbenchError(f"{what} '{name}': {doing} {cause(problem)}{said}; it must neither exit nor parse options")
    if problem is not None:
        raise DiffbenchError(f"{what} '{name}': {doing} {cause(problem)}{remedy}") from problem


def cause(error: BaseException) -> str:
    """An exception in one line, with the place in the external code that raised it."""
    text = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SystemExit):  # not the place in the standard library, where a parser ends the program
        frames = [frame for frame in frames if Path(frame.filename).name != "argparse.py"]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"
