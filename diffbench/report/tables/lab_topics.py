"""The laboratory's topics as tidy tables: one row per point of a curve."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffbench.files.store import StageFile
from diffbench.lab.dimension import AT_POINT
from diffbench.settings.lab import GapTopic


def tidy(columns: Mapping[str, Any]) -> pd.DataFrame:
    """A table from arrays that broadcast against each other, row by row."""
    shaped = np.broadcast_arrays(*columns.values())
    return pd.DataFrame({name: values.ravel() for name, values in zip(columns, shaped, strict=True)})


def gap_table(gap: StageFile) -> pd.DataFrame:
    """One row per setting and noise level: the setting, sigma, mean error norms and gap."""
    columns = {name: gap[name][:, None] for name in ("points", "delta", "guide_delta", "guidance")}
    columns |= {"setting": np.arange(len(gap["points"]))[:, None], "sigma": gap["sigma"][None, :]}
    return tidy(columns | {name: gap[name] for name in ("train", "validation", "gap", "gap_square")})


def checked_gaps(gap: StageFile, topic: GapTopic, measured: pd.DataFrame) -> pd.DataFrame:
    """Sampled gaps beside exact ones: the laboratory's own at the topic's central setting, and those `measured`.

    Columns: sigma, value, low, high, panel (who sampled), setting, exact.
    """
    own = {"sigma": gap["check"], "value": gap["check_gap"], "low": gap["check_low"], "high": gap["check_high"]}
    parts = [pd.DataFrame(own).assign(panel="laboratory's Monte Carlo", setting=central_setting(gap, topic))]
    if len(measured):
        parts.append(measured.rename(columns={"model": "panel"})[["sigma", "value", "low", "high", "panel", "setting"]])
    table = pd.concat(parts, ignore_index=True)
    pairs = zip(table["setting"], table["sigma"], strict=True)
    return table.assign(exact=[_exact(gap, int(setting), float(sigma)) for setting, sigma in pairs])


def central_setting(gap: StageFile, topic: GapTopic) -> int:
    """Which setting is the topic's central one."""
    central = (gap["points"] == topic.points) & np.isclose(gap["delta"], topic.delta) & (gap["guidance"] == 0)
    return int(np.flatnonzero(central)[0])


def agreement(gap: StageFile) -> tuple[int, int]:
    """At how many noise levels, and of how many, the Monte-Carlo interval holds the exact gap."""
    inside = (gap["check_low"] <= gap["check_exact"]) & (gap["check_exact"] <= gap["check_high"])
    return int(inside.sum()), len(inside)


def _exact(gap: StageFile, setting: int, sigma: float) -> float:
    """The gap by quadrature, between the levels of its curve."""
    return float(np.interp(np.log(sigma), np.log(gap["sigma"][::-1]), gap["gap"][setting][::-1]))


def recall_table(recall: StageFile) -> pd.DataFrame:
    """Probability of recall by training points and error scale, also as a share of the points' spacing."""
    table = tidy(
        {
            "train_points": recall["points"][:, None] // 2,
            "spacing": recall["spacing"][:, None],
            "delta": recall["delta"][None, :],
            "recall": recall["recall"],
        }
    )
    return table.assign(share=table["delta"] / table["spacing"])


def dimension_table(dimension: StageFile) -> pd.DataFrame:
    """Local dimension by training points, error scale, place and noise, also as a share of the points' spacing."""
    table = tidy(
        {
            "train_points": dimension["points"][:, None, None, None] // 2,
            "spacing": dimension["spacing"][:, None, None, None],
            "delta": dimension["delta"][None, :, None, None],
            "place": dimension["place"].astype(str)[None, None, :, None],
            "sigma": dimension["sigma"][None, None, None, :],
            "flipd": dimension["flipd"],
        }
    )
    return table.assign(share=table["sigma"] / table["spacing"])


def half_dimensions(dimension: StageFile) -> np.ndarray:
    """By number of points: the noise level below which the optimum gives a training point less than half a dimension.

    nan where it never does within the levels.
    """
    place = dimension["place"].astype(str).tolist().index(AT_POINT)
    optimum = int(dimension["delta"].argmin())
    levels, found = np.log(dimension["sigma"]), []
    for curve in dimension["flipd"][:, optimum, place]:
        above = int(np.argmax(curve >= 0.5))
        pair = slice(above - 1, above + 1)
        found.append(np.exp(np.interp(0.5, curve[pair], levels[pair])) if above else np.nan)
    return np.array(found)


def profile_table(profile: StageFile) -> pd.DataFrame:
    """Mean error along the circle by error scale and noise level."""
    return tidy(
        {
            "delta": profile["delta"][:, None, None],
            "sigma": profile["sigma"][None, :, None],
            "angle": profile["angle"][None, None, :],
            "error": profile["norm"],
        }
    )


def distance_table(discretization: StageFile) -> pd.DataFrame:
    """Frechet distance by solver, steps and error scale."""
    return tidy(
        {
            "solver": discretization["solver"].astype(str)[:, None],
            "steps": discretization["steps"][:, None],
            "delta": discretization["delta"][None, :],
            "distance": discretization["distance"],
        }
    )


def collapse_table(collapse: StageFile) -> pd.DataFrame:
    """Analytic and measured level of collapse by dimension, training size and draw, and their ratio."""
    measured = collapse["measured"]
    table = tidy(
        {
            "dimension": collapse["dimension"][:, None, None],
            "train_size": collapse["train_size"][None, :, None],
            "draw": np.arange(measured.shape[2])[None, None, :],
            "theory": collapse["theory"][:, :, None],
            "measured": measured,
        }
    )
    return table.assign(ratio=table["measured"] / table["theory"])
