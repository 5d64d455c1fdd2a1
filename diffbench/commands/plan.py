"""Plan: what a study means, and about what it costs, without doing anything."""

from pathlib import Path

from diffbench.study import Study, load_study


def run(study: Path = Path("config/config.yaml")) -> None:
    """Print the factors, runs, checkpoints, cells and jobs of a study file."""
    plan = load_study(study)
    print(describe(plan))


def describe(study: Study) -> str:
    """The study in a few lines."""
    return f"{len(study.cells)}"
