"""What several pages say of a study, computed once."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from diffbench.measures.rank_groups import Rank
from diffbench.report.tables import outcomes
from diffbench.report.tables.answers import Effect, effects
from diffbench.report.tables.ranks import Setting, ranks
from diffbench.report.tables.results import Results


@dataclass(frozen=True)
class Findings:
    """A study with its outcomes."""

    results: Results
    cells: pd.DataFrame  # rows of `outcomes.outcomes`
    means: pd.DataFrame  # the same over seeds, rows of `outcomes.settings`
    ranks: Mapping[str, Mapping[Setting, Rank]]
    effects: list[Effect]


def find(results: Results) -> Findings:
    """The outcomes of every cell and setting, and what follows from them."""
    cells = outcomes.outcomes(results)
    means = outcomes.settings(cells)
    return Findings(results, cells, means, ranks(cells), effects(results, means))
