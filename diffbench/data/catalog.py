"""Which data sets there are and how large: what a study can be checked against before any job starts."""

from dataclasses import dataclass

from diffbench.conventions import DiffbenchError


@dataclass(frozen=True)
class CatalogEntry:
    """What is known of a data set without loading it."""

    balanced: int
    """Distinct images that a class-balanced order can hold: classes x images of the smallest class."""
    classes: int


CATALOG = {
    "digits": CatalogEntry(balanced=1740, classes=10),
}


def entry(name: str) -> CatalogEntry:
    """The catalog's entry of a data set; DiffbenchError lists the known names."""
    if name not in CATALOG:
        raise DiffbenchError(f"unknown data set '{name}': known are {', '.join(sorted(CATALOG))}")
    return CATALOG[name]
