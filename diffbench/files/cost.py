"""What a job took, in a small file beside what it made."""

import json
from pathlib import Path
from typing import NamedTuple, Self

from diffbench.files.output import atomic
from diffbench.files.provenance import cpu_seconds, peak_memory_mb, wall_seconds


class Cost(NamedTuple):
    """What a process took from its start, or from its fork off the server of the run."""

    seconds: float
    cpu_seconds: float
    max_rss_mb: float

    @classmethod
    def of_this_process(cls) -> Self:
        """Until now."""
        return cls(round(wall_seconds(), 3), round(cpu_seconds(), 3), round(peak_memory_mb(), 1))

    def write(self, path: Path) -> None:
        """Write it. UnwritableError if that cannot be."""
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(self._asdict()) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it. OSError if it cannot be read, ValueError if it is none."""
        try:
            record = json.loads(path.read_bytes())
            return cls(*(float(record[name]) for name in cls._fields))
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path}: no record of a cost") from error
