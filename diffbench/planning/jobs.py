"""The jobs that a study means."""

from collections import Counter
from pathlib import Path

from diffbench.study.study import Study


def jobs(study: Study) -> Counter[str]:
    """Jobs by stage that the whole study takes when nothing of it exists."""
    twins = {cell.checkpoint for cell in study.paired_cells} | study.guides_of(study.paired_cells)
    measured = {checkpoint for checkpoint in study.checkpoints if study.definition(checkpoint.run.model).trained}
    return Counter(
        train=len(measured | study.guides_of(study.cells)) + len(twins),
        sample=len(study.cells) + len(study.paired_cells),
        **Counter(_stage(Path(name)) for name in study.files),
    )


def _stage(file: Path) -> str:
    return file.parts[0] if file.parts[0] in ("optimum", "lab") else file.stem
