"""Jobs of a study in this process, on the files that the workflow would give them."""

import inspect
from pathlib import Path
from typing import Any

from diffbench import cli
from diffbench.settings.granularity import TWIN
from diffbench.stages.chain import run_of
from diffbench.study import layout
from diffbench.study.grid import Cell, Checkpoint
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.specs import DerivedSpec

Factors = dict[str, Any]


def guide_of(lineage: Lineage, factors: Factors) -> Factors:
    """Factors of the checkpoint that a cell is guided by."""
    cell = Cell(Checkpoint.of(factors), lineage.study.guidances[factors["guidance"]])
    (guide,) = lineage.study.guides_of([cell])
    return guide.factors


def place(lineage: Lineage, name: str, factors: Factors) -> tuple[Kind, Factors]:
    """Kind and factors of the file that a parameter of a job with these factors names."""
    if name == "guide":
        return layout.CHECKPOINT, guide_of(lineage, factors)
    if name.startswith("twin_"):
        return layout.KINDS[name.removeprefix("twin_")], factors | {"granularity": f"{factors['granularity']}{TWIN}"}
    return layout.DENOISE if name == "losses" else layout.KINDS[name], factors


def path_of(lineage: Lineage, name: str, factors: Factors) -> str:
    """Path of that file inside the results."""
    kind, own = place(lineage, name, factors)
    return kind.of(own)


def inputs_of(lineage: Lineage, stage: str, factors: Factors) -> list[str]:
    """Names of the files that a job reads and compares."""
    spec = lineage.spec(stage, factors)
    asked = inspect.signature(run_of(stage)).parameters
    return [name for name in spec.inputs if name in asked] if isinstance(spec, DerivedSpec) else []


def run_job(lineage: Lineage, stage: str, factors: Factors, results: Path, **replaced: Path) -> int:
    """Run a job as the workflow does, but for the paths that are replaced. Its exit code."""
    made = next(kind for kind in layout.KINDS.values() if kind.stage == ("sample" if stage == "plant" else stage))
    paths = {"out": results / made.of(factors)}
    paths |= {name: results / path_of(lineage, name, factors) for name in inputs_of(lineage, stage, factors)}
    if stage == "sample":
        paths["trajectories"] = results / layout.TRAJECTORIES.of(factors)
    options = [text for name, path in (paths | replaced).items() for text in (f"--{name.replace('_', '-')}", str(path))]
    return cli.main([stage, "--spec", lineage.spec_json(stage, factors), *options])


def make(lineage: Lineage, kind: Kind, factors: Factors, results: Path) -> None:
    """A file, after those that it is made of; one that exists is left."""
    if (results / kind.of(factors)).exists():
        return
    stage = kind.stage
    if stage == "sample" and not lineage.study.denoises(factors["model"]):
        stage = "plant"
    for name in inputs_of(lineage, stage, factors):
        make(lineage, *place(lineage, name, factors), results)
    assert run_job(lineage, stage, factors, results) == 0


def make_all(lineage: Lineage, results: Path) -> None:
    """The measures of a study, and what they are made of."""
    for cell in lineage.study.cells:
        for path in lineage.study.files_of(cell):
            named = layout.place_of(path)
            assert named
            make(lineage, named[0], cell.factors, results)
