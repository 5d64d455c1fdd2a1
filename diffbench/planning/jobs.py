"""The jobs that a study means."""

from collections import Counter

from diffbench.study.layout import stage_of
from diffbench.study.study import Study


def jobs(study: Study) -> Counter[str]:
    """Jobs by stage that the whole study takes when nothing of it exists."""
    twins = {cell.checkpoint for cell in study.paired_cells} | study.guides_of(study.paired_cells)
    measured = {checkpoint for checkpoint in study.checkpoints if study.definition(checkpoint.run.model).trained}
    decoded = {"pixels": 1, "decode": len(study.cells)} if study.decoded_kinds else {}
    return Counter(
        **decoded,
        train=len(measured | study.guides_of(study.cells)) + len(twins),
        sample=len(study.cells) + len(study.paired_cells),
        **Counter(map(stage_of, study.files)),
    )
