"""The state of a run's training: one file that all its milestones go on from, and that no result needs."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.files.checkpoint import RESUMED, read_checkpoint, write_checkpoint
from diffbench.files.output import UnwritableError
from diffbench.files.surroundings import Log
from diffbench.files.temporary import remove_left


class RunState:
    """Reads and writes the state of a run for the training of one milestone.

    A state that is damaged, or of other settings, is not used, and overwritten. One that is further than the milestone,
    which was put in between later or is made anew, is left for the milestones that follow: the state is then kept in a
    file of the milestone's own until that is reached. Jobs that write one file at once harm nothing: each goes on from
    what it holds itself, and whichever state was written last is whole and of the same run.
    """

    def __init__(self, shared: Path, own: Path, settings: str, stop: int) -> None:
        """`shared`: the run's file, `own`: the milestone's; settings: must be equal; stop: the milestone's step."""
        self._path, self._own, self._settings, self._stop = shared, own, settings, stop
        self._told = False

    def load(self) -> dict[str, Any] | None:
        """What training goes on from, at or before the milestone; None where it starts anew."""
        state = self._read()
        if state is not None and state["step"] > self._stop:
            self._path = self._own
            state = self._read()
        return state if state is None or state["step"] <= self._stop else None

    def _read(self) -> dict[str, Any] | None:
        """A state of the same settings, if there is a whole one."""
        if not self._path.exists():
            return None
        try:
            state = read_checkpoint(self._path, fields=RESUMED)
        except DiffbenchError as error:
            print(f"note: {error}; it is dropped, and what it held trained anew", file=sys.stderr)
            return None
        if state["settings"] == self._settings:
            return state
        print(f"note: {self._path}: of other data, labels or settings; it is dropped", file=sys.stderr)
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Save, if that can be. Where it cannot that is told once, and training goes on: no result needs it."""
        try:
            write_checkpoint(self._path, state)
        except UnwritableError as error:
            if not self._told:
                print(f"\nnote: {error}; training goes on, but if it is stopped this part is trained anew", file=Log())
            self._told = True

    def finish(self, keep: bool) -> None:
        """The milestone has its checkpoint: remove what is not needed any more. keep: leave the run's state."""
        for path in {self._own} if keep else {self._own, self._path}:
            remove_left(path)
            with suppress(OSError):
                path.unlink(missing_ok=True)
