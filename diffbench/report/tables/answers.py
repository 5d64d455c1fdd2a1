"""The study's question answered in words, with numbers computed from the tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diffbench.report.tables.format import interval, level, number
from diffbench.report.tables.outcomes import AT_PEAK, above_floor, overfitted, ranked, wide
from diffbench.report.tables.results import Results
from diffbench.report.tables.slices import SETTING, TITLES, short_name, slices


@dataclass(frozen=True)
class Answer:
    """A question, its short answer and the sentences behind it."""

    question: str
    short: str
    sentences: tuple[str, ...]
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Effect:
    """How far one factor moves one outcome, the other factors held."""

    factor: str
    measure: str
    lowest: pd.Series  # row of the slice with the least value, with its `factor_value`
    highest: pd.Series
    apart: bool  # whether their intervals are apart

    @property
    def size(self) -> float:
        """Difference between the largest and the least mean over seeds."""
        return float(self.highest["value"] - self.lowest["value"])

    @property
    def text(self) -> str:
        """From the least to the largest value."""
        if self.size == 0:
            return f"{_estimate(self.lowest)} throughout"
        ends = (f"{_estimate(row)} at {row['factor_value']}" for row in (self.lowest, self.highest))
        return " → ".join(ends)


def _estimate(row: Mapping[Any, Any] | pd.Series) -> str:
    return f"{number(row['value'])} {interval(row['low'], row['high'])}".strip()


def _extremes(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The rows with the least and the largest value."""
    return rows.iloc[int(rows["value"].argmin())], rows.iloc[int(rows["value"].argmax())]


def effects(results: Results, means: pd.DataFrame) -> list[Effect]:
    """Effects on memorized fraction and peak gap of every factor that the study varies, where two values are finite."""
    moves = []
    for cut in slices(results.study, most=None):
        on_cut = cut.with_values(means)
        for measure in ("memorized_fraction", "peak_gap"):
            if measure == "peak_gap" and cut.factor == "guidance":
                continue  # guidance acts on sampling, not on the denoiser that the gap is of
            rows = on_cut[(on_cut["measure"] == measure) & np.isfinite(on_cut["value"])]
            if len(rows) < 2:
                continue
            lowest, highest = _extremes(rows)
            moves.append(Effect(cut.factor, measure, lowest, highest, bool(highest["low"] > lowest["high"])))
    return moves


def answers(results: Results, means: pd.DataFrame, effects: list[Effect]) -> list[Answer]:
    """Which models memorize, at which noise level, what made them, and whether samples follow."""
    if results.inspects:
        return [_whether(results, means), _where(results, means), _whether_samples_follow(means)]
    return [_which(results, means), _where(results, means), _why(effects), _whether_samples_follow(means)]


def _whether(results: Results, means: pd.DataFrame) -> Answer:
    """Whether the only setting memorizes."""
    question, rows = "Does it memorize?", {row["measure"]: row for _, row in means.iterrows()}
    fraction, floor = rows["memorized_fraction"], rows["memorized_floor"]
    if not np.isfinite(fraction["value"]):
        return Answer(question, "Undefined", (f"{fraction['reason'] or 'no value'}.",))
    beyond = "beyond its floor" if above_floor(means).iloc[0] else "not beyond its floor"
    return Answer(
        question,
        f"{number(100 * fraction['value'])} % of samples are memorized, {beyond}",
        (
            f"Memorized fraction {_estimate(fraction)} against a floor of {_estimate(floor)}, the same number for "
            "held-out images as if generated. Beyond: the 95 % interval lies above the floor's.",
            *_between(results),
        ),
    )


def _which(results: Results, means: pd.DataFrame) -> Answer:
    values, above = means.set_index([*SETTING, "measure"]), above_floor(means)
    judged = wide(means, "value")["memorized_fraction"].notna()
    memorizing, total = int(above.sum()), int(judged.sum())
    if not total:
        return Answer(
            "Which memorize?", "Undefined", ("No setting has a memorized fraction; the leaderboard says why.",)
        )
    top: list[str] = []
    for _, setting in ranked(means).head(total).iterrows():
        if len(top) == (3 if memorizing else 1):
            break
        key = tuple(setting[SETTING])
        if memorizing and not above[key]:
            continue
        fraction, floor = (values.loc[(*key, name)] for name in ("memorized_fraction", "memorized_floor"))
        top.append(f"{short_name(setting)}: {_estimate(fraction)} against a floor of {_estimate(floor)}")
    sentences = ["Beyond: the 95 % intervals of all seeds lie above the floor's.", *_between(results)]
    if len(judged) > total:
        sentences.append(f"{len(judged) - total} settings have no memorized fraction.")
    sentences.append("Most of all:" if memorizing else "The highest, not apart from its floor:")
    short = f"{memorizing or 'None'} of {total} settings memorize beyond their floor"
    return Answer("Which memorize?", short, tuple(sentences), tuple(top))


def _between(results: Results) -> tuple[str, ...]:
    """What distances are taken between, where there are two answers."""
    told = "Distances are between latents; measures in pixels are between the pictures that they are decoded to."
    return (told,) if results.study.decoded_kinds else ()


def _where(results: Results, means: pd.DataFrame) -> Answer:
    question = "At which noise level?"
    gaps = means[(means["measure"] == "peak_gap") & np.isfinite(means["value"])]
    peaks = means[(means["measure"] == "sigma_at_peak") & np.isfinite(means["value"])]
    if gaps.empty or peaks.empty:
        return Answer(question, "Undefined", ("No setting has a gap with a finite peak; the leaderboard says why.",))
    sigmas = peaks.drop_duplicates([name for name in SETTING if name != "guidance"])["value"]
    _, largest = _extremes(gaps)
    at = peaks.set_index(SETTING).loc[tuple(largest[SETTING])]
    several = [f"The peaks of {len(sigmas)} checkpoints (means over seeds) lie {_range(sigmas)}."] * (len(sigmas) > 1)
    sentences = [*several, f"The largest gap is {_estimate(largest)} at σ = {_estimate(at)}, of {short_name(largest)}."]
    memorizing = above_floor(means)
    of_memorizing = peaks[[bool(memorizing[tuple(key)]) for key in peaks[SETTING].to_numpy()]]["value"]
    if len(of_memorizing):
        sentences.append(f"Where samples are memorized beyond their floor it peaks {_range(of_memorizing)}.")
    if ends := _gap_at_ends(results, largest):
        sentences.append(ends)
    sentences.extend(_skill(means))
    return Answer(question, f"The gap peaks at σ ≈ {level(sigmas.median())} (median)", tuple(sentences))


def _skill(means: pd.DataFrame) -> tuple[str, ...]:
    """In how many settings the gap is plain overfitting."""
    judged = means[(means["measure"] == "skill_at_peak") & np.isfinite(means["value"])]
    if judged.empty:
        return ()
    if len(judged) == 1:
        worse = "worse" if overfitted(means).any() else "not clearly worse"
        return (
            f"At the peak it is {worse} on unseen images than a linear filter of its training images: skill "
            f"{_estimate(judged.iloc[0])}, and below 0 a gap is plain overfitting.",
        )
    count = int(overfitted(means).sum())
    worse = f"{count} of {len(judged)} settings are" if count else f"none of {len(judged)} settings is"
    return (
        f"At the peak {worse} worse on unseen images than a linear filter of their training images (skill below 0, and "
        "its whole interval): such a gap is plain overfitting.",
    )


def _range(sigmas: pd.Series) -> str:
    low, high = level(sigmas.min()), level(sigmas.max())
    return f"at σ = {low}" if low == high else f"between σ = {low} and {high}"


def _gap_at_ends(results: Results, setting: pd.Series) -> str:
    """The gap of the setting at the lowest and highest noise level."""
    rows = results.estimates.of(["gap"], [dict(setting[SETTING])])
    rows = rows[rows["sigma"].notna()]
    means = rows[np.isfinite(rows["value"])].groupby("sigma")["value"].mean()
    if len(means) < 2:
        return ""
    low, high = means.index[0], means.index[-1]
    ends = (f"{number(means[sigma])} at σ = {level(sigma)}" for sigma in (low, high))
    return f"At the ends of its curve the gap is {' and '.join(ends)}."


def _why(effects: list[Effect]) -> Answer:
    sentences, named = [], {}
    for measure, text in (("memorized_fraction", "memorized fraction"), ("peak_gap", "peak gap")):
        of_measure = [effect for effect in effects if effect.measure == measure]
        if not of_measure:
            sentences.append(f"No factor is varied with two finite values of the {text}.")
            continue
        most = max(of_measure, key=lambda effect: (effect.apart, effect.size))
        if most.apart:
            named[text] = TITLES[most.factor]
            sentences.append(f"{TITLES[most.factor].capitalize()} moves the {text} most: {most.text}.")
        elif most.size == 0:
            sentences.append(f"No factor moves the {text}: {most.text}.")
        else:
            factor = TITLES[most.factor]
            sentences.append(f"No factor moves the {text} beyond its intervals; most does {factor}: {most.text}.")
    sentences.append("How far depends on the values that the study gives a factor; each acts with the others held.")
    short = "; ".join(f"{factor} moves the {text} most" for text, factor in named.items())
    if len(named) == 2 and len(set(named.values())) == 1:
        short = f"{next(iter(named.values()))} most, samples and gap alike"
    return Answer("What made them?", _sentence(short or "no factor beyond its intervals"), tuple(sentences))


def _sentence(text: str) -> str:
    """With a capital, but for names that begin otherwise."""
    return text[0].upper() + text[1:]


def _whether_samples_follow(means: pd.DataFrame) -> Answer:
    question = "Do trajectories visit training data there?"
    asked = means[means["measure"] == AT_PEAK]
    rows = asked[np.isfinite(asked["value"])]
    undefined = len(asked) - len(rows)
    if rows.empty:
        everywhere = "" if len(asked) == 1 else " in every setting"
        reasons = "; ".join(dict.fromkeys(asked["reason"][asked["reason"] != ""]))
        told = f"Train-likeness at the peak of the gap is undefined{everywhere}: {reasons or 'no value'}."
        return Answer(question, "Undefined", (told, *_radius(means)))
    if len(asked) == 1:
        return _whether_they_follow(question, rows.iloc[0], _radius(means))
    inside, outside = int((rows["low"] > 0.5).sum()), int((rows["high"] < 0.5).sum())
    saturated = int(((rows["low"].abs() < 0.01) & (rows["high"].abs() < 0.01)).sum())
    least, most = _extremes(rows)
    sentences = [
        f"At the peak the states of {inside} of {len(rows)} settings lie mostly among noised training data (interval "
        f"above 0.5), of {outside} mostly outside (below 0.5).",
    ]
    if least["value"] < most["value"]:
        sentences.append(
            f"Train-likeness there goes from {_estimate(least)} ({short_name(least)}) to {_estimate(most)} "
            f"({short_name(most)})."
        )
    if saturated:
        sentences.append(f"In {saturated} all states lie outside, and it is 0 however far: see the shell radius.")
    if undefined:
        sentences.append(f"It is undefined in {undefined} settings.")
    short = f"{'Mostly in' if inside else 'In'} {inside or 'none'} of {len(rows)} settings"
    return Answer(question, short, (*sentences, *_radius(means)))


def _whether_they_follow(question: str, likeness: pd.Series, radius: tuple[str, ...]) -> Answer:
    """Whether the trajectories of the only setting do."""
    short = "Not told: the interval holds 0.5"
    if likeness["low"] > 0.5:
        short = "Yes: they lie mostly among noised training images"
    elif likeness["high"] < 0.5:
        short = "No: they lie mostly like noised unseen images, or further out"
    told = f"Train-likeness at the peak is {_estimate(likeness)}: 1 among noised training images, 0 like unseen ones."
    if abs(likeness["low"]) < 0.01 and abs(likeness["high"]) < 0.01:
        told += " All states lie outside, and it is 0 however far: see the shell radius."
    return Answer(question, short, (told, *radius))


def _radius(means: pd.DataFrame) -> tuple[str, ...]:
    """How far out the states lie in the setting with the largest gap, which no saturation hides."""
    gaps = means[(means["measure"] == "peak_gap") & np.isfinite(means["value"])]
    if gaps.empty:
        return ()
    _, largest = _extremes(gaps)
    rows = means.set_index([*SETTING, "measure"]).to_dict("index")
    key = tuple(largest[SETTING])
    states, unseen = (rows[*key, name] for name in ("shell_radius_at_peak", "shell_radius_unseen_at_peak"))
    if not np.isfinite(states["value"]):
        return ()
    return (
        f"Where the gap is largest the states' shell radius is {_estimate(states)}, of noised unseen images "
        f"{_estimate(unseen)}, of noised training images about 1.",
    )
