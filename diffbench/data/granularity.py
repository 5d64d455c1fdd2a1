"""Names of condition granularities: none, classes, unique, groups-K, kmeans-K, random-K."""

import re
from dataclasses import dataclass

from diffbench.conventions import DiffbenchError

PATTERN = r"^(none|classes|unique|(groups|kmeans|random)-[1-9][0-9]*)$"


@dataclass(frozen=True)
class Granularity:
    """A parsed name; `count` is the K of a name that has one, else 0."""

    kind: str
    count: int

    @classmethod
    def parse(cls, name: str) -> "Granularity":
        """Parse a name such as "kmeans-50"; DiffbenchError lists the forms."""
        if not re.match(PATTERN, name):
            raise DiffbenchError(
                f"unknown granularity '{name}': use none, classes, unique, groups-K, kmeans-K or random-K"
            )
        kind, _, count = name.partition("-")
        return cls(kind, int(count or 0))
