"""The page of costs: what stages took, and how large models are."""

import pandas as pd

from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.costs import costs_of
from diffbench.report.tables.results import Results


def write_costs(results: Results) -> None:
    """Write the page."""
    sizes = results.table("models")
    models = sizes.astype(object).where(pd.notna(sizes), None).to_dict("records")
    write_study_page(results, "costs", costs=costs_of(results), models=models)
