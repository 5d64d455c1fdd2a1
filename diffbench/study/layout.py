"""Where every file of a study's results lies, and which stage makes it: rules, stages and pages ask here.

A run is a folder, its checkpoints are folders in it, and the cells of a checkpoint folders in that. A kind of file is a
pattern whose fields are factors; what the files of a cell share (data, conditions, optimum, features) lies beside.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

RUN_FOLDER = "{model}/n{train_size}/{granularity}/seed{seed}"
CHECKPOINT_FOLDER = f"{RUN_FOLDER}/step{{step}}"
RUN_STATE = f"{RUN_FOLDER}/training.pt"
"""What a run's training goes on from. No kind of file that is asked for: the job of a milestone uses what it finds."""
PARTIAL, DIVERGED = ".partial", ".diverged"
"""Ends of the names of what lies beside a checkpoint that is not made: its state, or last words of its training."""
LOSSES = "losses.csv"
CELL_FOLDER = f"{CHECKPOINT_FOLDER}/w{{guidance}}"
SUBSET = "n{train_size}/{granularity}"


@dataclass(frozen=True)
class Kind:
    """Files of one kind: the stage that makes them, and the pattern of their paths inside a study's results."""

    stage: str
    pattern: str

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Factors that such files differ by."""
        return tuple(re.findall(r"\{(\w+)\}", self.pattern))

    def of(self, factors: Mapping[str, Any]) -> str:
        """Path of the file with these factors; others that are given do not matter."""
        return self.pattern.format(**factors)

    def log(self, stage: str = "") -> str:
        """Pattern of the log of the job that makes it: that of its stage, or of another that makes it in its stead."""
        path = PurePosixPath(self.pattern)
        if self.stage in WHOLE:
            return log_of(self.stage)
        if path.parts[0] == self.stage or len(path.parts) == 1:
            return log_of(str(path.with_suffix("")))
        return log_of(f"{stage or self.stage}/{path.parent}")

    @property
    def cost(self) -> str:
        """Pattern of the file in which that job says what it took."""
        path = PurePosixPath(self.pattern)
        job = path.with_suffix("") if path.parts[0] == self.stage else path.parent / self.stage
        return f"{job}{COST}"


def side_file(checkpoint: Path) -> Path:
    """State of a training to a milestone that its run's state has passed, beside the checkpoint that it will make."""
    return checkpoint.with_name(f"{checkpoint.name}{PARTIAL}")


def losses_beside(checkpoint: Path) -> Path:
    """Losses of the training over its steps up to a checkpoint: a table beside it that no result needs."""
    return checkpoint.with_name(LOSSES)


def divergence(checkpoint: Path) -> Path:
    """Last words of a training that diverged before it reached a checkpoint: a retry of the job says no others."""
    return checkpoint.with_name(f"{checkpoint.name}{DIVERGED}")


def log_of(job: str) -> str:
    """Path of a log, by the name of the job: that of its stage where there is one such job in a study."""
    return f"logs/{job}.log"


COST = ".cost.json"
WHOLE = ("summary", "report")
"""Stages of which a study has one job, whatever files they make."""

DATA = Kind("data", "data.h5")
PIXELS = Kind("pixels", "pixels.h5")
FEATURES = Kind("features", "features.h5")
CONDITIONS = Kind("conditions", f"conditions/{SUBSET}.h5")
OPTIMUM = Kind("optimum", f"optimum/{SUBSET}.h5")
CHECKPOINT = Kind("train", f"{CHECKPOINT_FOLDER}/checkpoint.pt")
DENOISE = Kind("denoise", f"{CHECKPOINT_FOLDER}/denoise.h5")
EQUIVALENT = Kind("equivalent", f"{CHECKPOINT_FOLDER}/equivalent.h5")
SAMPLES = Kind("sample", f"{CELL_FOLDER}/samples.h5")
TRAJECTORIES = Kind("sample", f"{CELL_FOLDER}/trajectories.h5")
DECODED = Kind("decode", f"{CELL_FOLDER}/decoded.h5")
MEMORIZATION = Kind("memorization", f"{CELL_FOLDER}/memorization.h5")
OVERLAP = Kind("overlap", f"{CELL_FOLDER}/overlap.h5")
CONSISTENCY = Kind("consistency", f"{CELL_FOLDER}/consistency.h5")
TOPIC = Kind("lab", "lab/{topic}.h5")

TABLE = Kind("summary", "summary/{table}.{suffix}")
MANIFEST = "summary/manifest.json"
CLAIMS = "claims.json"
LAWS = "laws.json"
PAGE = Kind("report", "report/{page}.html")
LOCK, HOLDER = ".lock", ".lock-holder"
"""Of the Snakemake that writes the results: what it locks, and where it says who it is on a disk without locks."""
PLAN = "plan.json"
"""What the study was expected to take, as estimated when its run began."""
CONTENTS = ".contents.json"
"""Hashes of the user's own files, so that they are not read again while they stay as they are."""
ROWS = ".rows"
"""Rows of the summary's tables by file, so that it opens none again that stays as it is."""
INSPECTION = "inspection.json"
"""What an inspection's folder is known by; it holds the study."""
STUDY_FILE, CRATE_METADATA = "study.yaml", "ro-crate-metadata.json"
"""What a crate of the results holds beside them."""
FIGURES = "figures"
"""Folder of the report's charts as files, which `diffbench figures` draws."""
CHART_DATA = "data/{name}.csv"
"""Table of a chart, from its page."""
PAGES = ("index", "leaderboard", "noise", "factors", "training", "samples", "claims", "risk", "costs", "methods")
"""Pages of the report, but for those of controls, laboratory and privacy, which some studies have."""
COMPARING = ("leaderboard", "factors", "training", "claims")
"""Pages that compare settings or judge claims: a study of one model from outside and no other has none."""
LEADERBOARD = "report/data/leaderboard.csv"
"""Table of all settings by all measures, where there is a leaderboard."""
UNFINISHED = "report/data/unfinished.csv"
"""Table of the files that the report lacks; that it is there tells the workflow that the pages are whole."""
SUMMARIES = ("models", "status", "costs")
"""Tables of the summary that hold no estimates."""

KINDS = {name.lower(): kind for name, kind in globals().items() if isinstance(kind, Kind)}
"""By name, such as "samples"."""

SUFFIXES = tuple({PurePosixPath(kind.pattern).suffix for kind in KINDS.values()} - {".{suffix}", ".html"})
"""Ends of the names of results."""

STAGES = tuple(dict.fromkeys(kind.stage for kind in KINDS.values()))
"""Stages by the order of what they make above; `plant` makes samples in another's stead."""

FOLDERS = frozenset(
    part for kind in KINDS.values() if "{" not in (part := kind.pattern.partition("/")[0]) and "/" in kind.pattern
) | {"logs", FIGURES}
"""Folders of the results beside those of models, whose names no model may have."""


def _expression(pattern: str) -> re.Pattern[str]:
    """What paths of a pattern match, with a group for each field."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(pattern)))


_BESIDE = re.compile(
    rf"logs/.+|{FIGURES}/[^/]+|report/data/[^/]+\.csv|.+/checkpoint\.pt{re.escape(DIVERGED)}"
    rf"|.+/step\d+/{re.escape(LOSSES)}"
)
"""Paths of what runs leave that is of no kind and has no name of its own."""

_EXPRESSIONS = [(_expression(pattern), kind) for kind in KINDS.values() for pattern in (kind.pattern, kind.cost)]
_STATES = [_expression(RUN_STATE), _expression(f"{CHECKPOINT.pattern}{PARTIAL}")]
_PLACES = [(_expression(kind.pattern), kind) for kind in KINDS.values() if kind.stage not in WHOLE]


def table(name: str, suffix: str = "csv") -> str:
    """Path of a table of the summary."""
    return TABLE.of({"table": name, "suffix": suffix})


def page(name: str) -> str:
    """Path of a page of the report."""
    return PAGE.of({"page": name})


def stage_of(path: str) -> str:
    """The stage that makes a file, or whose job told its cost. ValueError if it is of none."""
    for expression, kind in _EXPRESSIONS:
        if expression.fullmatch(path):
            return kind.stage
    raise ValueError(f"{path}: a file of no stage")


def is_result(path: str) -> bool:
    """Whether a path is that of a result or of a job's cost, rather than of a copy that was put beside them."""
    return any(expression.fullmatch(path) for expression, _ in _EXPRESSIONS)


def is_run_state(path: str) -> bool:
    """Whether a path is that of a state which a training goes on from."""
    return any(expression.fullmatch(path) for expression in _STATES)


def lies_beside(path: str) -> bool:
    """Whether runs leave a file of this path beside results: logs, the report and its tables, caches, the plan."""
    named = (CLAIMS, LAWS, LOCK, HOLDER, PLAN, CONTENTS, ROWS, INSPECTION, MANIFEST, STUDY_FILE, CRATE_METADATA)
    return path in named or is_result(path) or _BESIDE.fullmatch(path) is not None


def place_of(path: str) -> tuple[Kind, dict[str, str]] | None:
    """The kind and the factors of a result that some stage makes; None for whatever else lies in the results."""
    for expression, kind in _PLACES:
        if match := expression.fullmatch(path):
            return kind, match.groupdict()
    return None


def cost_of(out: Path) -> Path | None:
    """Where the job that makes a file says what it took; None if the file has no place in any results."""
    root = root_of(out)
    if root is None:
        return None
    place = place_of(out.relative_to(root).as_posix())
    return root / place[0].cost.format(**place[1]) if place else None


def root_of(path: Path) -> Path | None:
    """The results that a file lies in, by the end of its path; None if it has no place in any."""
    parts = path.parts
    for start in range(len(parts) - 1, 0, -1):
        if is_result("/".join(parts[start:])):
            return Path(*parts[:start])
    return None


def stage_of_job(name: str) -> str:
    """The stage of a job, by the path of its cost without the suffix."""
    return stage_of(f"{name}{COST}")
