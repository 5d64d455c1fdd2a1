"""Denoise: per-image denoising losses of a checkpoint, the gap between its splits, its Jacobian, and attacks on it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbench.data.training_set import read_training_set
from diffbench.denoisers.attacks import scores_of_splits
from diffbench.denoisers.build import describe, load_denoiser
from diffbench.denoisers.jacobian import jacobians_of_splits
from diffbench.denoisers.losses import Losses, gap_sigmas, loss_variables, losses_of_splits
from diffbench.denoisers.references import at_pixels, references_of
from diffbench.devices import pick_device
from diffbench.files import provenance, store
from diffbench.files.estimates import Estimate, curve_variables, scalar, scalar_variables, undefined
from diffbench.measures.closed_forms import closed_form_estimates
from diffbench.measures.gap import gap_curve, memorized_share
from diffbench.measures.intervals import mean
from diffbench.measures.jacobian import split_estimates
from diffbench.measures.membership import membership
from diffbench.measures.membership_battery import membership_battery
from diffbench.measures.skill import skill
from diffbench.settings.models import External
from diffbench.study.specs import DenoiseSpec

SEED = 0
"""Of the bootstrap: the same for all checkpoints, so that their resamples are paired."""


def run(
    spec: DenoiseSpec,
    data: Path,
    conditions: Path,
    optimum: Path,
    out: Path,
    checkpoint: Path | None = None,
    device: str = "auto",
) -> None:
    """Measure the EMA weights of `checkpoint`, or the closed form that spec.model names, beside the optimum."""
    training_set = read_training_set(data, conditions, spec.inputs)
    reference = store.read(optimum, "optimum", spec.inputs.get("optimum"))
    where = pick_device(device)
    denoiser = load_denoiser(spec.model, training_set, checkpoint, where, spec.inputs.get("checkpoint"))
    losses = losses_of_splits(denoiser, training_set, spec.gap, where)
    optimal, wiener = ({split: reference[f"{of}_{split}"] for split in losses.square} for of in ("loss", "wiener"))
    scalars, curves = estimates(losses, optimal, wiener, gap_sigmas(spec.gap))
    scalars |= split_estimates(jacobians_of_splits(denoiser, training_set, spec.gap.images, where))
    seen = at_pixels(denoiser, training_set, spec.gap, where)
    closed = closed_form_estimates(seen, references_of(reference), gap_sigmas(spec.gap), SEED)
    scalars, curves = scalars | closed[0], curves | closed[1]
    scores = scores_of_splits(denoiser, training_set, losses, spec.gap, where)
    attacked = membership_battery(scores, training_set.classes, SEED)
    scalars |= attacked.scalars | {"blind_auc": scalar(reference, "blind_auc")}
    variables = loss_variables(losses, spec.gap) | scalar_variables(scalars, own=training_set.space)
    variables |= curve_variables(curves, training_set.space)
    variables |= attacked.variables
    settings = {"model": spec.model.model_dump(), "gap": spec.gap.model_dump()}
    # Those of the suite's own networks the summary counts, once for each: counting costs a job a second and more.
    size = {"size": describe(denoiser, training_set.shape)} if isinstance(spec.model, External) else {}
    attributes = provenance.attributes(spec.factors, settings, str(where)) | {"best_attack": attacked.best}
    store.write(out, "denoise", variables, attributes | size, spec.fingerprint)


def estimates(
    losses: Losses,
    optimal: Mapping[str, NDArray[np.float64]],
    wiener: Mapping[str, NDArray[np.float64]],
    sigmas: NDArray[np.float64],
) -> tuple[dict[str, Estimate], dict[str, Sequence[Estimate]]]:
    """Scalars and curves over noise levels of the denoising gap, its share of the optimum's, skill and membership.

    optimal, wiener: mean square losses (levels, images) of the closed-form optimum and of the Wiener filter, by split.
    """
    square, norm = losses.square, losses.norm
    gap = gap_curve(sigmas, square["train"], square["validation"], SEED)
    norm_gap = gap_curve(sigmas, norm["train"], norm["validation"], SEED)
    skills = {split: skill(square[split], wiener[split], split, SEED) for split in square}
    members = membership(square["train"], square["validation"], SEED)
    scalars = {
        "peak_gap": gap.peak,
        "peak_absolute_gap": gap.absolute_peak,
        "sigma_at_peak": gap.sigma_at_peak,
        "gap_area": gap.area,
        "peak_norm_gap": norm_gap.peak,
        "sigma_at_norm_peak": norm_gap.sigma_at_peak,
        "skill_at_peak": _at(gap.sigma_at_peak, sigmas, skills["validation"]),
    }
    curves = {
        "mse_train": level_means(square["train"]),
        "mse_validation": level_means(square["validation"]),
        "gap": gap.relative,
        "absolute_gap": gap.absolute,
        "norm_gap": norm_gap.relative,
        "memorized_share": memorized_share(
            square["train"],
            square["validation"],
            optimal["train"],
            optimal["validation"],
            SEED,
        ),
        "mse_optimum_validation": level_means(optimal["validation"]),
        "mse_wiener_validation": level_means(wiener["validation"]),
        "skill_train": skills["train"],
        "skill_validation": skills["validation"],
        "membership_auc": members.auc,
        "membership_tpr_at_1_percent": members.tpr_at_1_percent,
        "membership_tpr_at_01_percent": members.tpr_at_01_percent,
    }
    return scalars, curves


def _at(peak: Estimate, sigmas: NDArray[np.float64], curve: Sequence[Estimate]) -> Estimate:
    """The curve where the gap peaks."""
    if np.isnan(peak.value):
        return undefined(f"the gap has no peak: {peak.reason}", peak.n)
    return curve[int(np.abs(sigmas - peak.value).argmin())]


def level_means(losses: NDArray[np.float64]) -> list[Estimate]:
    """Mean over images at each level of losses (levels, images)."""
    return [mean(level, SEED) for level in losses]
