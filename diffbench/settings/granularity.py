"""Names of condition granularities: none, classes, given, unique, groups-K, kmeans-K, random-K.

given: each image's own vector, where the data have such conditions.

The suffix -twin names the same granularity of a training subset of the same size that shares no image with the first:
that of a run's twin, for pair consistency.
"""

import re
from dataclasses import dataclass

from diffbench.conventions import DiffbenchError

TWIN = "-twin"
GIVEN = "given"
PATTERN = r"^(none|classes|given|unique|(groups|kmeans|random)-[1-9][0-9]*)$"


@dataclass(frozen=True)
class Granularity:
    """A parsed name; `count` is the K of a name that has one, else 0."""

    kind: str
    count: int
    twin: bool

    @property
    def comparable(self) -> bool:
        """Whether labels mean the same for a run and its twin, so that their samples form pairs."""
        return self.kind in ("none", "classes", "groups")

    @classmethod
    def parse(cls, name: str) -> "Granularity":
        """Parse a name such as "kmeans-50"; DiffbenchError lists the forms."""
        plain = name.removesuffix(TWIN)
        if not re.match(PATTERN, plain):
            raise DiffbenchError(
                f"unknown granularity '{name}': use none, classes, given, unique, groups-K, kmeans-K or random-K"
            )
        kind, _, count = plain.partition("-")
        return cls(kind, int(count or 0), twin=plain != name)
