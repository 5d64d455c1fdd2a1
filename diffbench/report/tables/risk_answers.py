"""How many training images can be extracted, where most, and which: in words, with numbers from the tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffbench.report.tables.answers import Answer
from diffbench.report.tables.format import count, interval, number
from diffbench.report.tables.results import Results
from diffbench.report.tables.risk import (
    BY_ISOLATION,
    BY_JACOBIAN,
    CHAO1,
    EXTRACTED,
    FLOOR,
    MATCHED,
    Risk,
    center_setting,
    truth_known,
)
from diffbench.report.tables.slices import SETTING, short_name


def risk_answers(results: Results, means: pd.DataFrame, extracting: pd.DataFrame, risks: list[Risk]) -> list[Answer]:
    """Answers from the scalars over seeds, the settings that extract anything, and the images of those on the page."""
    rows = {tuple(row[name] for name in (*SETTING, "measure")): row for row in means.to_dict("records")}
    judged = means[(means["measure"] == EXTRACTED) & means["value"].notna()]
    unknown = [row for row in judged[SETTING].to_dict("records") if not truth_known(results, row)]
    learned = [each for each in risks if not truth_known(results, each.factors)]
    return [
        _how_many(results, rows, risks),
        _where(results, rows, extracting, len(unknown), len(judged) - len(unknown)),
        _which(rows, learned or risks),
        _told_without(rows, learned or risks),
    ]


def _how_many(results: Results, rows: Mapping[Any, Any], risks: list[Risk]) -> Answer:
    question, center = "How many can be extracted?", center_setting(results)
    key = tuple(center.values())
    found = rows.get((*key, EXTRACTED))
    if found is None or np.isnan(found["value"]):
        reason = "no value" if found is None else found["reason"]
        return Answer(question, "undefined at the centre", (f"{short_name(center)}: {reason}.",))
    size, samples = center["train_size"], round(found["n"] / max(1, found["seeds"]))
    text = f"{number(found['value']) if found['value'] else 'None'} of {size} training images at the centre"
    sentences = [
        f"{short_name(center)}: {count(samples)} samples extract {_estimate(found)} of {size} training images"
        + (f", mean over {found['seeds']} seeds." if found["seeds"] > 1 else "."),
        _floor(rows, key),
        f"However many samples: at least {_estimate(rows[*key, CHAO1])} (Chao1).",
    ]
    if (here := [risk for risk in risks if risk.factors == center]) and here[0].seeds > 1:
        sentences.append(f"All {here[0].seeds} seeds together extract {len(here[0].images)}.")
    return Answer(question, text, tuple(sentences))


def _floor(rows: Mapping[Any, Any], key: tuple[Any, ...]) -> str:
    matched, floor = rows[*key, MATCHED], rows[*key, FLOOR]
    if np.isnan(matched["value"]):
        return f"A floor is undefined: {matched['reason']}."
    size = round(min(each["n"] / max(1, each["seeds"]) for each in (matched, floor)))
    return f"Of {size} each: samples extract {_estimate(matched)}, held-out images as if generated {_estimate(floor)}."


def _where(results: Results, rows: Mapping[Any, Any], extracting: pd.DataFrame, total: int, known: int) -> Answer:
    """total: settings with a value; known: those beside them of models whose truth is known."""
    found: list[dict[Any, Any]] = extracting.to_dict("records")
    found = [row for row in found if not truth_known(results, row)]
    above = [row for row in found if _above(rows, tuple(row.values()))]
    sentences = ["Beyond: the 95 % intervals of all seeds lie above the floor's, for equally many images."]
    if known:
        sentences.append(f"Not counted: {known} of models whose truth is known.")
    examples = [
        f"{short_name(row)}: {_estimate(rows[*row.values(), EXTRACTED])} of {row['train_size']}" for row in above[:3]
    ]
    if examples:
        sentences.append("Most images:")
    short = f"{len(above) or 'None'} of {total} settings extract images beyond their floor"
    return Answer("Where most?", short, tuple(sentences), tuple(examples))


def _above(rows: Mapping[Any, Any], key: tuple[Any, ...]) -> bool:
    return bool(rows[*key, MATCHED]["low"] > rows[*key, FLOOR]["high"])


def _which(rows: Mapping[Any, Any], risks: list[Risk]) -> Answer:
    """Whether isolated images are those that are extracted, where most is known of it."""
    question = "Which images?"
    told = [(risk, rows[*risk.factors.values(), BY_ISOLATION]) for risk in risks]
    told = [(risk, row) for risk, row in told if np.isfinite(row["value"])]
    if not told:
        return Answer(question, "nothing to tell apart", ("No setting extracts some images more often than others.",))
    rising, falling = (sum(bool(sign * row[end] > 0) for _, row in told) for sign, end in ((1, "low"), (-1, "high")))
    short = f"isolated ones in {rising or 'none'} of {len(told)} settings"
    sentences = ["Rank correlation of an image's distance to its nearest other one with the times it is extracted:"]
    if falling:
        sentences.insert(0, f"Isolated images are extracted less often in {falling} of {len(told)} settings.")
    examples = tuple(f"{risk.name}: {_estimate(row)}" for risk, row in told[:3])
    return Answer(question, short, tuple(sentences), examples)


def _told_without(rows: Mapping[Any, Any], risks: list[Risk]) -> Answer:
    """Whether the Jacobian tells copies, for whoever has the model but not its training images."""
    question = "Can copies be told without the training images?"
    told = [(risk, rows.get((*risk.factors.values(), BY_JACOBIAN))) for risk in risks]
    told = [(risk, row) for risk, row in told if row is not None and np.isfinite(row["value"])]
    if not told:
        return Answer(question, "undefined", ("No setting has enough samples that are copies, and that are not.",))
    above = sum(bool(row["low"] > 0.5) for _, row in told)
    sentence = "AUC by which samples at which the denoiser's Jacobian is small are copies; 0.5 is chance:"
    examples = tuple(f"{risk.name}: {_estimate(row)}" for risk, row in told[:3])
    return Answer(question, f"in {above or 'none'} of {len(told)} settings", (sentence,), examples)


def _estimate(row: Mapping[Any, Any]) -> str:
    return f"{number(row['value'])} {interval(row['low'], row['high'])}".strip()
