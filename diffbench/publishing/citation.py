"""CITATION.cff: what results are called, who made them, and under which licence they may be used.

Citation File Format 1.2 (https://citation-file-format.github.io); keys that a crate has no use for are passed over.
"""

from pathlib import Path

from pydantic import ConfigDict, Field

from diffbench.conventions import DiffbenchError
from diffbench.settings.base import Strict
from diffbench.study.yaml_loader import load_yaml

SPDX = "https://spdx.org/licenses/"
ORCID = "https://orcid.org/"
DOI = "https://doi.org/"
_PART = ConfigDict(extra="ignore", alias_generator=lambda name: name.replace("_", "-"))


class Author(Strict):
    """A person, or a group with a name alone."""

    model_config = _PART

    name: str | None = None
    given_names: str | None = None
    family_names: str | None = None
    orcid: str | None = Field(default=None, pattern=rf"^{ORCID}\d{{4}}-\d{{4}}-\d{{4}}-\d{{3}}[\dX]$")
    affiliation: str | None = None
    website: str | None = None

    @property
    def is_person(self) -> bool:
        """Whether it is no group."""
        return self.name is None

    @property
    def full_name(self) -> str:
        """As it is read; empty if none is given."""
        return self.name or " ".join(filter(None, (self.given_names, self.family_names)))


class Citation(Strict):
    """What a crate takes of such a file."""

    model_config = _PART

    title: str = Field(min_length=1)
    authors: list[Author] = Field(min_length=1)
    license: str = Field(pattern=r"^[A-Za-z0-9.+-]+$", description="SPDX identifier, such as CC-BY-4.0.")
    abstract: str | None = None
    keywords: list[str] = Field(default_factory=list)
    doi: str | None = Field(default=None, pattern=r"^10\.\d{4,}/\S+$")


def read_citation(path: Path) -> Citation:
    """Read such a file. DiffbenchError that names it and every key that is missing or wrong."""
    try:
        raw = load_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise DiffbenchError(f"{path}: cannot be read: {error.strerror}") from None
    citation = Citation.parse(raw, str(path))
    if not all(author.full_name for author in citation.authors):
        raise DiffbenchError(f"{path}: key 'authors': each needs a name, or given-names and family-names")
    return citation
