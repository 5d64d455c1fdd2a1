"""The page of methods: what measures are, how they were made, and how to repeat and to cite them."""

from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.board import Board
from diffbench.report.tables.catalog import GROUPS, in_order
from diffbench.report.tables.results import Results


def write_methods(results: Results, board: Board) -> None:
    """Write the page: every measure that the study computed or tried to."""
    absent = {measure.name: reason for measure, reason in board.undefined}
    measures = in_order([*(column.measure.name for column in board.columns), *absent])
    groups = {group: [each for each in measures if each.group == group] for group in GROUPS}
    given = {group: own for group, own in groups.items() if own}
    write_study_page(
        results, "methods", groups=given, absent={each.name: absent.get(each.name, "") for each in measures}
    )
