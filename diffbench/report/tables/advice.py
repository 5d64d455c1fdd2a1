"""How long one may train, and on how few images, before samples are copies: in words, from the table of time scales."""

from collections.abc import Iterator

import pandas as pd

from diffbench.report.tables.format import count
from diffbench.report.tables.slices import short_name

SETTING = ["model", "granularity", "guidance"]


def advice(scales: pd.DataFrame) -> list[str]:
    """A sentence per setting; of all seeds the one that memorizes first counts, intervals span those of all."""
    rows = scales[scales["measure"].isin(["last_step_at_floor", "least_size_at_floor"])]
    sentences = []
    for factors, group in rows.groupby(SETTING, sort=False):
        of_steps = group[group["measure"] == "last_step_at_floor"]
        of_sizes = group[group["measure"] == "least_size_at_floor"]
        parts = [", ".join(_steps(of_steps))] if len(of_steps) else []
        if len(of_sizes):
            parts.append(_size(of_sizes[of_sizes["step"] == of_sizes["step"].max()]))
        setting = short_name(dict(zip(SETTING, factors, strict=True)))  # pyright: ignore (one key per name)
        sentences.append(f"{setting}: {'; '.join(parts)}.")
    return sentences


def _steps(rows: pd.DataFrame) -> Iterator[str]:
    """Per training size: the step up to which samples stay at the floor."""
    for size, seeds in rows.groupby("train_size"):
        images = f"with {count(size)} training images"  # pyright: ignore (a number)
        late = seeds["value"].isna().sum()
        if late:
            yield f"{images} at no milestone ({late} of {len(seeds)} seeds lie above it from the first on)"
        else:
            yield f"{images} up to step {_span(seeds, seeds['value'].min())}"


def _size(seeds: pd.DataFrame) -> str:
    """At one step: the size from which on samples stay at the floor."""
    step, above = count(seeds["step"].iloc[0]), seeds["value"].isna().sum()
    if above:
        return f"at step {step} with no size studied ({above} of {len(seeds)} seeds lie above it with the largest)"
    return f"at step {step} from {_span(seeds, seeds['value'].max())} images on"


def _span(seeds: pd.DataFrame, value: float) -> str:
    return f"{count(value)} [{count(seeds['low'].min())}, {count(seeds['high'].max())}]"
