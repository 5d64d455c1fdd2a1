"""A fingerprint stands for all that a file is made of, and for nothing else; every job names all that it reads."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from diffbench.cli import STAGES
from diffbench.settings.granularity import TWIN
from diffbench.stages.chain import run_of
from diffbench.study import layout
from diffbench.study.file import load_study
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.specs import DerivedSpec
from diffbench.study.study import Study

ROOT = Path(__file__).parent.parent
STUDIES = [ROOT / "config/config.yaml", *sorted((ROOT / "config/studies").glob("*.yaml"))]
STUDY: dict[str, Any] = {
    "name": "lineage",
    "data": {
        "name": "file",
        "path": "train.npz",
        "held_out": "other.npz",
        "decoder": {"import": "a:b", "weights": "decoder.pt"},
    },
    "seeds": [0],
    "pairs": True,
    "steps": [4, 12],
    "models": {
        "own": {"kind": "mlp", "width": 16, "blocks": 1},
        "theirs": {"kind": "external", "import": "a:b", "weights": "w.bin"},
    },
    "center": {"model": "own", "train_size": 20, "granularity": "none", "guidance": 0},
    "sweeps": [
        {"model": ["theirs"]},
        {"guidance": [{"weight": 1.0, "step": 4}, {"weight": 2.0, "model": "theirs"}]},
    ],
    "training": {"batch": 16},
    "sampling": {"samples": 24, "trajectories": 12, "steps": 5},
    "measures": {"gap": {"levels": 4, "images": 20, "noises": 2}, "quality": {"space": "encoder", "encoder": "e.pt"}},
    "lab": {},
}
CONTENTS = {"train.npz": "a" * 16, "other.npz": "b" * 16, "w.bin": "c" * 16, "e.pt": "d" * 16, "decoder.pt": "f" * 16}
OWN = {"model": "own", "train_size": 20, "granularity": "none", "seed": 0, "step": 12, "guidance": "0"}
KINDS = [kind for kind in layout.KINDS.values() if kind.stage not in layout.WHOLE]


def lineage(*changes: tuple[str, Any], contents: dict[str, str] | None = None) -> Lineage:
    """The lineage of a study with changed settings, "a.b" for a key in a mapping."""
    study = json.loads(json.dumps(STUDY))
    for key, value in changes:
        *outer, last = key.split(".")
        place = study
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = value
    return Lineage(Study.parse(study, "study"), CONTENTS | (contents or {}))


def fingerprints(some: Lineage) -> dict[str, str]:
    """Of a file of each kind, those of the twin's, guided and untrained cells as well."""
    guided = [label for label in some.study.guidances if label != "0"]
    cells = {"own": OWN, "first": OWN | {"step": 4}, "twin": OWN | {"granularity": f"none{TWIN}"}}
    cells |= {"theirs": OWN | {"model": "theirs", "step": 0}}
    cells |= {f"guided {index}": OWN | {"guidance": label} for index, label in enumerate(guided)}
    return {
        f"{kind.stage} {kind.pattern.rpartition('/')[2]} {name}": some.fingerprint(kind, cell | {"topic": "gap"})
        for kind in KINDS
        for name, cell in cells.items()
        if not (kind.stage in ("consistency", "train") and name in ("twin", "theirs"))
    }


def changed(*changes: tuple[str, Any], contents: dict[str, str] | None = None) -> set[str]:
    """Stages of which some file changes."""
    before, after = fingerprints(lineage()), fingerprints(lineage(*changes, contents=contents))
    return {name.split()[0] for name in before if before[name] != after[name]}


ALL = {kind.stage for kind in KINDS}
MEASURED = {"denoise", "equivalent"}
SAMPLED = {"sample", "decode", "memorization", "overlap", "consistency"}
DECODED = {"pixels", "decode", "features", "memorization"}


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (("training.learning_rate", 1e-3), {"train"} | MEASURED | SAMPLED),
        (("models.own.width", 24), {"train"} | MEASURED | SAMPLED),
        (("sampling.steps", 6), SAMPLED),
        (("measures.gap.levels", 5), {"optimum"} | MEASURED),
        (("measures.quality.dimensions", 7), {"features", "memorization"}),
        (("data.split_seed", 3), ALL - {"lab"}),
        (("models.theirs.arguments", {"width": 3}), MEASURED | SAMPLED),
        (("data.decoder.arguments", {"width": 3}), DECODED),
        (("lab.gap.deltas", [0.1, 0.7]), {"lab"}),
        (("report.chart_width", 500), set()),
        (("device", "cpu"), set()),
        (("threads", 2), set()),
        (("runtime_factor", 2.0), set()),
        (("batch_minutes", 60.0), set()),
    ],
)
def test_a_setting_changes_the_files_that_depend_on_it(change: tuple[str, Any], stages: set[str]) -> None:
    assert changed(change) == stages


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("train.npz", ALL - {"lab"}),
        ("other.npz", ALL - {"lab"}),
        ("w.bin", MEASURED | SAMPLED),
        ("e.pt", {"features", "memorization"}),
        ("decoder.pt", DECODED),
    ],
)
def test_other_content_of_a_file_of_the_users_changes_what_is_made_of_it(file: str, stages: set[str]) -> None:
    assert changed(contents={file: "e" * 16}) == stages


def test_files_that_differ_in_any_factor_have_fingerprints_of_their_own() -> None:
    some = lineage()
    seen: dict[str, tuple[Kind, dict[str, Any]]] = {}
    for kind in KINDS:
        for name in kind.fields:
            other = {"model": "theirs", "granularity": f"none{TWIN}", "guidance": list(some.study.guidances)[1]}
            for factors in (OWN, OWN | {name: other.get(name, 4)}):
                if kind.stage == "train" and factors["model"] == "theirs":
                    continue
                factors = factors | {"topic": "gap" if factors is OWN else "flow"}
                own = {field: factors[field] for field in kind.fields}
                if kind is layout.TRAJECTORIES:  # made by the job that makes the samples
                    continue
                assert seen.setdefault(some.fingerprint(kind, factors), (kind, own)) == (kind, own)


def test_numbers_and_text_are_the_same_factors() -> None:
    some, again = lineage(), lineage()
    for kind in KINDS:
        factors = OWN | {"topic": "gap", "more": 1}
        as_text = {name: str(value) for name, value in factors.items()}
        assert some.fingerprint(kind, factors) == again.fingerprint(kind, as_text)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_spec_has_one_fingerprint_before_and_after_the_command_line(path: Path) -> None:
    some = Lineage(load_study(path))
    for cell in some.study.cells[:20]:
        for kind in KINDS:
            if kind.stage == "train" and not some.study.definition(cell.checkpoint.run.model).trained:
                continue
            if kind in (layout.PIXELS, layout.DECODED) and kind not in some.study.decoded_kinds:
                continue
            record = inspect.signature(run_of(kind.stage)).parameters["spec"].annotation
            for topic in ("gap", "flow"):
                factors = cell.factors | {"topic": topic}
                text = some.spec_json(kind.stage, factors)
                assert record.parse_json(text, "spec").fingerprint == some.fingerprint(kind, factors)


def rule_files(stage: str) -> set[str]:
    """Names of the files that the rules of a stage hand to their job, but for its outputs and paths in its settings."""
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    command = re.search(rf'"python -m diffbench {stage} .*?2> ', rules, re.DOTALL)
    assert command
    return set(re.findall(r"\{input\.(\w+)\}", command[0]))


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in layout.WHOLE])
def test_every_job_knows_who_must_have_made_the_files_that_it_reads(stage: str) -> None:
    """But for the checkpoint that a training starts from: its settings are compared."""
    some = lineage()
    named: set[str] = set()
    for factors in (OWN, OWN | {"guidance": list(some.study.guidances)[1]}):
        spec = some.spec(stage, factors | {"topic": "gap"})
        named |= set(spec.inputs) if isinstance(spec, DerivedSpec) else set()
    if stage == "plant":  # of the spec of samples, which for trained models are made of more
        named -= {"checkpoint", "guide"}
    assert rule_files(stage) - {"start"} == named - {"encoder", "weights", "guide_weights"}
