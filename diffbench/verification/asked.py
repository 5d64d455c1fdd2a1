"""What results are held against: the files that a study asks for, and the fingerprint that each must end with."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.planning.standing import files_of
from diffbench.study import layout
from diffbench.study.file import load_study
from diffbench.study.inventory import fingerprint_for, known_contents
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from diffbench.summary.manifest import read_manifest


class Asked:
    """The files of a study."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage, self.study = lineage, lineage.study

    @cached_property
    def files(self) -> Mapping[str, tuple[Kind, Mapping[str, Any]]]:
        """Kind and factors of each file that the study needs, by its path inside the results."""
        return {kind.of(factors): (kind, factors) for kind, factors in files_of(self.study)}

    @cached_property
    def places(self) -> Mapping[str, str]:
        """Where a file belongs, by the fingerprint that it ends with."""
        return {self.lineage.fingerprint(kind, factors): path for path, (kind, factors) in self.files.items()}

    def asks_for(self, path: str, kind: Kind, factors: Mapping[str, Any]) -> bool:
        """Whether the study needs a file, be it only while it runs, as trajectories."""
        return (layout.SAMPLES.of(factors) if kind is layout.TRAJECTORIES else path) in self.files

    def fingerprint(self, kind: Kind, factors: Mapping[str, Any]) -> str | None:
        """What a file of this kind must end with; None of a model, guidance or topic that the study does not have."""
        return fingerprint_for(self.lineage, kind, factors)


def asked_by_file(path: Path, results: Path) -> Asked:
    """What a study file asks for. DiffbenchError if it, or a file of the user's that it names, cannot be read."""
    study = load_study(path)
    contents = known_contents(study, results / layout.CONTENTS)
    for file, content in contents.items():
        if not content:
            raise DiffbenchError(
                f"{file}: cannot be read, so that what was made of it cannot be told from what was not; run this where"
                " it lies, or without --study: then what the summary noted of it counts"
            )
    return Asked(Lineage(study, contents))


def asked_by_summary(results: Path) -> Asked:
    """What the study asks for that the last summary of `results` was made for, with the user's files as they were then.

    DiffbenchError if there is no whole summary.
    """
    try:
        manifest = read_manifest(results)
        study = Study.parse(manifest["study"], str(results / layout.MANIFEST))
        return Asked(Lineage(study, manifest["contents"]))
    except (DiffbenchError, KeyError) as error:
        reason = f"{results / layout.MANIFEST}: holds no study" if isinstance(error, KeyError) else error
        raise DiffbenchError(f"{reason}; or say by --study FILE of which study these results are") from None
