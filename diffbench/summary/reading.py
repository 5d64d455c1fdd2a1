"""Where summary and report read the files of stages: one that cannot be read stops nothing, and is remembered."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.files.estimates import ARRAYS
from diffbench.files.faults import BrokenFileError, StaleFileError, mark
from diffbench.files.store import StageFile, StageHeader
from diffbench.study.layout import DENOISE, MEMORIZATION, SAMPLES, Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from diffbench.summary.reasons import why_missing
from diffbench.summary.rows import PROVENANCE

DONE = "done"
MISSING, BROKEN, STALE, UNREADABLE = "missing", "broken", "stale", "unreadable"
"""States of a file: there; not there; damaged; whole, but of other settings; not to be read just now."""

NEEDED = {DENOISE: ("sigma", "loss_validation"), MEMORIZATION: ("distance", "nearest"), SAMPLES: ("samples",)}
"""Arrays that tables and pictures are made of, beside estimates."""


@dataclass(frozen=True)
class Fault:
    """Why a file cannot be used."""

    state: str
    reason: str


class Held(dict[str, Any]):
    """What a file holds, by name; one that it lacks makes it a broken file."""

    def __init__(self, values: Mapping[str, Any], lacking: Callable[[str], DiffbenchError]) -> None:
        super().__init__(values)
        self._lacking = lacking

    def __missing__(self, name: str) -> Any:
        raise self._lacking(name)


class Reader:
    """Reads files of a study's results by kind and factors; `faults`: those it could not, by path inside them.

    Damaged ones are marked, so that the next run makes them anew.
    """

    def __init__(self, lineage: Lineage, results: Path) -> None:
        self.lineage = lineage
        self.study = lineage.study
        self.results = results
        self.faults: dict[str, Fault] = {}

    def read(self, kind: Kind, factors: Mapping[str, Any]) -> StageFile:
        """A file with all its arrays. DiffbenchError if it is missing, broken, stale or unreadable.

        So is asking it for an array or attribute that it lacks.
        """
        with self.noting(kind, factors) as path:
            file = store.read(path, kind.stage, self.lineage.fingerprint(kind, factors))
        return self._whole(kind, factors, file)

    def estimates(self, kind: Kind, factors: Mapping[str, Any]) -> StageFile:
        """A file with what tables hold of it, in half the time. Errors as of `read`."""
        arrays = (*ARRAYS, *NEEDED.get(kind, ()))
        with self.noting(kind, factors) as path:
            file = store.excerpt(path, kind.stage, arrays, PROVENANCE, self.lineage.fingerprint(kind, factors))
        return self._whole(kind, factors, file)

    def _whole(self, kind: Kind, factors: Mapping[str, Any], file: StageFile) -> StageFile:
        arrays = self._held(kind, factors, file.arrays, "array")
        for name in NEEDED.get(kind, ()):
            arrays[name]
        return StageFile(file.path, arrays, self._held(kind, factors, file.attributes, "attribute"))

    def header(self, kind: Kind, factors: Mapping[str, Any]) -> StageHeader:
        """A file without its arrays. Errors as of `read`."""
        with self.noting(kind, factors) as path:
            file = store.header(path, kind.stage, self.lineage.fingerprint(kind, factors))
        return StageHeader(file.path, file.arrays, self._held(kind, factors, file.attributes, "attribute"))

    @contextmanager
    def noting(self, kind: Kind, factors: Mapping[str, Any]) -> Iterator[Path]:
        """The path of a file; errors of the block, which reads it, are remembered as this file's."""
        name = kind.of(factors)
        try:
            yield self.results / name
        except DiffbenchError as error:
            self.faults.setdefault(name, self._fault(name, error))
            raise

    def _held(self, kind: Kind, factors: Mapping[str, Any], values: Mapping[str, Any], what: str) -> Held:
        def lacking(name: str) -> DiffbenchError:
            path = kind.of(factors)
            error = BrokenFileError(self.results / path, f"holds no {what} '{name}'")
            self.faults.setdefault(path, self._fault(path, error))
            return error

        return Held(values, lacking)

    def _fault(self, name: str, error: DiffbenchError) -> Fault:
        if isinstance(error, BrokenFileError):
            mark(error)
        return fault_of(self.study, self.results, name, error)


def fault_of(study: Study, results: Path, name: str, error: DiffbenchError) -> Fault:
    """What an error says of the file `name` inside `results`, whose reading raised it."""
    path = results / name
    match error:
        case StaleFileError():
            state = STALE
        case BrokenFileError():
            state = BROKEN
        case _:
            state = UNREADABLE if _there(path) else MISSING
    if state == MISSING:
        return Fault(state, why_missing(study, results, name))
    return Fault(state, str(error).removeprefix(f"{path}: "))


def _there(path: Path) -> bool:
    """Whether there is a file, as far as one may look."""
    try:
        return path.stat() is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
