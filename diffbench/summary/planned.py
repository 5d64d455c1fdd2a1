"""What a study was expected to take, as it was estimated when its run began: a small file of the results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from diffbench.conventions import DiffbenchError
from diffbench.files.output import atomic
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study


class Planned(NamedTuple):
    """An estimate of a whole study, when nothing of it exists."""

    study: str  # its fingerprint
    made: str  # when: UTC, ISO 8601
    jobs: dict[str, int]  # by stage
    seconds: dict[str, float]  # CPU seconds by stage

    def write(self, path: Path) -> None:
        """Write it. UnwritableError if that cannot be."""
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(self._asdict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it. DiffbenchError if there is none, or what is there is none."""
        try:
            record = json.loads(path.read_bytes())
            jobs = {str(stage): int(count) for stage, count in record["jobs"].items()}
            seconds = {str(stage): float(count) for stage, count in record["seconds"].items()}
            return cls(str(record["study"]), str(record["made"]), jobs, seconds)
        except OSError as error:
            raise DiffbenchError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise DiffbenchError(f"{path}: no estimate; delete it, and the next run makes it anew") from None

    def per_job(self) -> Mapping[str, float]:
        """CPU seconds of a job of each stage, in the mean."""
        return {stage: self.seconds.get(stage, 0.0) / count for stage, count in self.jobs.items() if count}


def fingerprint_of(study: Study) -> str:
    """What an estimate of this study is known by."""
    return Lineage(study).summary_spec.fingerprint


def planned_for(study: Study, path: Path) -> Planned | None:
    """The estimate that was kept of this study; None if there is none, or only that of another."""
    try:
        planned = Planned.read(path)
    except DiffbenchError:
        return None
    return planned if planned.study == fingerprint_of(study) else None
