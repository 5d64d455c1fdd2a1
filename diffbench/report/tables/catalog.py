"""What the report calls every measure of a cell: title, group, what it is, its floor, and which way is better."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from diffbench.files.estimates import DECODED
from diffbench.measures.attacks import ATTACKS
from diffbench.report.tables.privacy import NAMES

MEMORIZATION, GAP, TRAJECTORIES = "Memorization of samples", "Denoising gap", "Trajectories at the gap's peak"
QUALITY, INFERENCE, MEMBERSHIP = "Quality", "Inference gap", "Membership"
EXTRACTION, JACOBIAN, PAIRS, COST, OTHER = "Extraction", "Jacobian", "Pair consistency", "Cost", "Other"
GROUPS = (*(MEMORIZATION, GAP, TRAJECTORIES, QUALITY, INFERENCE, MEMBERSHIP, EXTRACTION, JACOBIAN, PAIRS, COST, OTHER),)
"""Groups in the order of pages."""

LESS, MORE = "less", "more"
"""Which way a measure is better."""


@dataclass(frozen=True)
class Measure:
    """A number of a cell or of its checkpoint."""

    name: str
    title: str
    group: str
    meaning: str
    floor: str = ""  # measure that it is held against: the same of held-out images as if generated, mostly
    unit: bool = False  # whether it lies between 0 and 1, as a share does
    shown: bool = False  # in the leaderboard, if the reader chooses no columns
    better: str = ""  # LESS, MORE, or nothing: such as a noise level, a floor, or what is best at some middle value


D1D2 = "a sample is memorized if its nearest training image is less than {} as far (L2) as the next (Yoon et al. 2023)"

_LISTED = (
    Measure(
        "memorized_fraction",
        "memorized fraction",
        MEMORIZATION,
        f"share of memorized samples: {D1D2.format('1/3')}",
        "memorized_floor",
        unit=True,
        shown=True,
        better=LESS,
    ),
    Measure("memorized_floor", "memorized fraction, floor", MEMORIZATION, "the same of held-out images", unit=True),
    Measure(
        "memorized_fraction_half",
        "memorized fraction, 1/2",
        MEMORIZATION,
        D1D2.format("1/2"),
        "memorized_floor_half",
        unit=True,
        better=LESS,
    ),
    Measure("memorized_floor_half", "memorized fraction, 1/2, floor", MEMORIZATION, "of held-out images", unit=True),
    Measure(
        "memorized_fraction_quarter",
        "memorized fraction, 1/4",
        MEMORIZATION,
        D1D2.format("1/4"),
        "memorized_floor_quarter",
        unit=True,
        better=LESS,
    ),
    Measure("memorized_floor_quarter", "memorized fraction, 1/4, floor", MEMORIZATION, "of held-out images", unit=True),
    Measure(
        "mem_auc",
        "MemAUC",
        MEMORIZATION,
        "mean share of samples with d1/d2 below t, over t = 0.01 … 0.99: large where samples lie close to one image",
        "mem_auc_floor",
        unit=True,
        better=LESS,
    ),
    Measure("mem_auc_floor", "MemAUC, floor", MEMORIZATION, "the same of held-out images", unit=True),
    Measure(
        "calibrated_fraction",
        "calibrated fraction",
        MEMORIZATION,
        "share of samples nearer to a training image than half its mean distance to its 50 nearest "
        "(Carlini et al. 2023)",
        "calibrated_floor",
        unit=True,
        better=LESS,
    ),
    Measure("calibrated_floor", "calibrated fraction, floor", MEMORIZATION, "the same of held-out images", unit=True),
    Measure(
        "auth_pct",
        "AuthPct",
        MEMORIZATION,
        "share of samples further from their nearest training image than that is from its own neighbour (Alaa et al. "
        "2022): low where samples are copies",
        "auth_pct_floor",
        unit=True,
        shown=True,
        better=MORE,
    ),
    Measure("auth_pct_floor", "AuthPct, floor", MEMORIZATION, "the same of held-out images", unit=True),
    Measure(
        "c_t",
        "C_T",
        MEMORIZATION,
        "z of Mann and Whitney: samples against held-out images by distance to training images (Meehan et al. 2020); "
        "strongly negative where samples are copies",
    ),
    Measure(
        "nearest_side_rate",
        "nearest-side rate",
        MEMORIZATION,
        "share of samples whose nearest image of as many training and held-out ones is a training image; 0.5: no bias",
        unit=True,
    ),
    Measure(
        "near_duplicate_share",
        "near duplicates in training",
        MEMORIZATION,
        "share of training images that are near duplicates of others",
        unit=True,
    ),
    Measure(
        "peak_gap",
        "peak gap",
        GAP,
        "largest (loss on unseen − loss on training images) / loss on training images over the noise level",
        shown=True,
        better=LESS,
    ),
    Measure("sigma_at_peak", "σ at peak", GAP, "noise level of the peak gap; geometric mean over seeds", shown=True),
    Measure(
        "peak_absolute_gap", "peak gap, absolute", GAP, "largest loss on unseen − loss on training images", better=LESS
    ),
    Measure("gap_area", "gap, area", GAP, "integral of the gap over ln σ", better=LESS),
    Measure(
        "peak_norm_gap", "peak gap of norms", GAP, "peak of the relative gap of mean L2 norms of the error", better=LESS
    ),
    Measure("sigma_at_norm_peak", "σ at peak of norms", GAP, "its noise level"),
    Measure(
        "skill_at_peak",
        "skill at peak",
        GAP,
        "1 − loss / loss of the Wiener filter on unseen images, at σ of the peak: 1 no error, 0 as good as the filter, "
        "below 0 the gap is plain overfitting",
        shown=True,
        better=MORE,
    ),
    Measure(
        "memorized_share_at_peak",
        "share of the optimum at peak",
        GAP,
        "absolute gap over that of the closed-form optimum, at σ of the peak: share of what can be memorized",
        shown=True,
        better=LESS,
    ),
    Measure(
        "r2_crossing",
        "σ of the closed forms' crossing",
        GAP,
        "noise level from which on the labelled optimum explains the network better than the linear filter",
    ),
    Measure(
        "train_likeness_at_peak",
        "train-likeness at peak",
        TRAJECTORIES,
        "1: states lie among noised training images, 0: like unseen ones, below 0: further out; at the sampler's level "
        "nearest in ln σ to the peak",
        shown=True,
    ),
    Measure(
        "shell_radius_at_peak",
        "shell radius at peak",
        TRAJECTORIES,
        "distance of states to the nearest training image in units of the noise: about 1 for noised training images",
        "shell_radius_unseen_at_peak",
        shown=True,
    ),
    Measure(
        "shell_radius_unseen_at_peak",
        "shell radius of unseen images at peak",
        TRAJECTORIES,
        "the same of noised unseen images",
    ),
    Measure(
        "overlap_coefficient_at_peak",
        "overlap coefficient at peak",
        TRAJECTORIES,
        "area that the densities of shell radii of states and of noised training images share",
        unit=True,
    ),
    Measure(
        "states_inside_at_peak",
        "states inside at peak",
        TRAJECTORIES,
        "share of states inside the ball that holds 95 % of noised training images",
        unit=True,
    ),
    Measure(
        "fd",
        "FD",
        QUALITY,
        "Frechet distance to held-out images, all sets of one size: less is better",
        "fd_floor",
        shown=True,
        better=LESS,
    ),
    Measure(
        "fd_ratio",
        "FD over its floor",
        QUALITY,
        "1: samples lie as near to held-out images as others of these do; it grows with the number of images compared",
        shown=True,
        better=LESS,
    ),
    Measure("fd_floor", "FD, floor", QUALITY, "the same of other held-out images"),
    Measure(
        "kid",
        "KID",
        QUALITY,
        "unbiased kernel distance to held-out images: less is better, slightly negative by chance; its size depends on "
        "the features and says nothing by itself",
        better=LESS,
    ),
    Measure(
        "kid_standardized",
        "KID, standardized",
        QUALITY,
        "KID over the variance of held-out images in the kernel's space: 0 no difference, and 1/m as far from held-out "
        "images as m of them drawn at random lie; less is better, slightly negative by chance",
        shown=True,
        better=LESS,
    ),
    Measure(
        "precision",
        "precision",
        QUALITY,
        "share of samples within a held-out image's ball, k = 3 (Kynkäänniemi et al. 2019)",
        unit=True,
        shown=True,
        better=MORE,
    ),
    Measure(
        "recall",
        "recall",
        QUALITY,
        "share of held-out images within a sample's ball, k = 3",
        unit=True,
        shown=True,
        better=MORE,
    ),
    Measure(
        "density",
        "density",
        QUALITY,
        "held-out images' balls that hold a sample, over k = 5 (Naeem et al. 2020)",
        shown=True,
        better=MORE,
    ),
    Measure(
        "coverage",
        "coverage",
        QUALITY,
        "share of held-out images whose ball holds a sample, k = 5",
        unit=True,
        shown=True,
        better=MORE,
    ),
    Measure(
        "fld",
        "FLD",
        QUALITY,
        "feature likelihood divergence (Jiralerspong et al. 2023): less is better",
        shown=True,
        better=LESS,
    ),
    Measure("fld_gap", "FLD, gap", QUALITY, "FLD to held-out minus to training images", better=LESS),
    Measure(
        "distance_to_validation",
        "distance to held-out images",
        QUALITY,
        "root mean square distance of samples to the nearest held-out image; no quality: class means score best",
        "distance_to_validation_floor",
    ),
    Measure(
        "distance_to_validation_floor",
        "distance to held-out images, floor",
        QUALITY,
        "the same of other held-out images",
    ),
    *(
        Measure(f"{name}_train", f"{title}, to training images", QUALITY, "copies score best")
        for name, title in (
            *(("kid", "KID"), ("kid_standardized", "KID, standardized")),
            *(("precision", "precision"), ("recall", "recall")),
            *(("density", "density"), ("coverage", "coverage")),
        )
    ),
    Measure(
        "fd_gap",
        "inference gap",
        INFERENCE,
        "(FD to held-out − FD to training images) / FD to training images, class-matched and of equal size",
        "fd_gap_floor",
        better=LESS,
    ),
    Measure("fd_gap_floor", "inference gap, floor", INFERENCE, "the same of held-out images as if generated"),
    Measure("fd_gap_shared_error", "inference gap, shared error", INFERENCE, "part of its error that seeds share"),
    Measure("fd_train", "FD to training references", INFERENCE, "behind the inference gap", "fd_baseline_train"),
    Measure(
        "fd_validation", "FD to held-out references", INFERENCE, "behind the inference gap", "fd_baseline_validation"
    ),
    Measure("fd_baseline_train", "FD, training images to training images", INFERENCE, "a baseline"),
    Measure("fd_baseline_validation", "FD, training images to held-out images", INFERENCE, "a baseline"),
    Measure(
        "dataset_inference_p",
        "dataset inference, p",
        MEMBERSHIP,
        "p of a test whether training images as a set were trained on (CDI, Dubiński et al. 2025)",
        unit=True,
    ),
    Measure(
        "dataset_inference_images", "dataset inference, images", MEMBERSHIP, "images until that test tells the set"
    ),
    Measure(
        "privacy_epsilon",
        "ε, at least",
        MEMBERSHIP,
        "lower bound of ε from one run (Steinke et al. 2023), indicative",
        better=LESS,
    ),
    Measure(
        "blind_auc",
        "blind AUC",
        MEMBERSHIP,
        "AUC of a classifier of pixels without the model; 0.5: both sets look alike",
        unit=True,
    ),
    Measure(
        "extracted_images",
        "extracted images",
        EXTRACTION,
        "training images that are nearest to a memorized sample",
        better=LESS,
    ),
    Measure(
        "extracted_images_matched",
        "extracted images, matched",
        EXTRACTION,
        "the same by as many samples as there are held-out images",
        "extracted_images_floor",
        better=LESS,
    ),
    Measure("extracted_images_floor", "extracted images, floor", EXTRACTION, "the same by held-out images"),
    Measure(
        "extraction_chao1",
        "extraction, Chao1",
        EXTRACTION,
        "lower bound of what any number of samples would extract",
        better=LESS,
    ),
    Measure(
        "extraction_chao1_matched",
        "extraction, Chao1, matched",
        EXTRACTION,
        "the same from as many samples as there are held-out images",
        "extraction_chao1_floor",
        better=LESS,
    ),
    Measure("extraction_chao1_floor", "extraction, Chao1, floor", EXTRACTION, "the same by held-out images"),
    Measure(
        "isolation_extraction_spearman",
        "isolation and extraction",
        EXTRACTION,
        "rank correlation of an image's distance to its neighbour with how often it is extracted",
    ),
    *(
        Measure(f"{name}_{split}", f"{title}, {words}", JACOBIAN, f"{meaning}, at {words}")
        for name, title, meaning in (
            ("jacobian_trace", "trace", "mean trace of the denoiser's Jacobian"),
            ("jacobian_norm", "norm", "mean squared Frobenius norm of the denoiser's Jacobian"),
            ("flipd", "FLIPD", "mean local dimension (Kamkari et al. 2024)"),
        )
        for split, words in (("train", "training images"), ("validation", "held-out images"), ("gap", "difference"))
    ),
    Measure("flipd_samples", "FLIPD, samples", JACOBIAN, "mean local dimension at samples"),
    Measure(
        "jacobian_auc",
        "AUC of the Jacobian",
        JACOBIAN,
        "how well a small Jacobian tells memorized samples from others, without the training set",
        unit=True,
    ),
    Measure("pair_correlation", "correlation with the twin", PAIRS, "of samples of two models from the same noise"),
    Measure(
        "correlation_to_own_train", "correlation with own training image", PAIRS, "of each sample with its nearest"
    ),
    Measure(
        "pair_consistency",
        "pair consistency",
        PAIRS,
        "the first minus the second (Kadkhodaie et al. 2024)",
        better=MORE,
    ),
    Measure("parameters", "weights", COST, "numbers that the network learns", better=LESS),
    Measure("flops_per_image", "FLOPs of an evaluation", COST, "of one image, a multiply-add as two", better=LESS),
    Measure(
        "train_images",
        "training, images",
        COST,
        "images of all steps up to this one; counted from the settings",
        better=LESS,
    ),
    Measure(
        "train_flops",
        "training, FLOPs",
        COST,
        "forward and backward of these images, a multiply-add as two; counted from the settings",
        better=LESS,
    ),
    Measure(
        "train_seconds",
        "training, s",
        COST,
        "wall seconds of the jobs that trained the run up to this step",
        better=LESS,
    ),
    Measure(
        "train_flops_per_second",
        "training, FLOP/s",
        COST,
        "achieved: counted FLOPs over these wall seconds",
        better=MORE,
    ),
    Measure(
        "train_memory", "training, MB", COST, "largest resident memory of these jobs; a GPU's is not in it", better=LESS
    ),
    Measure(
        "sample_evaluations",
        "sampling, evaluations",
        COST,
        "of networks for one sample, a guide's included; counted from the settings",
        better=LESS,
    ),
    Measure(
        "sample_flops",
        "sampling, FLOPs",
        COST,
        "of one sample, a guide's included; counted from the settings",
        better=LESS,
    ),
    Measure("sample_seconds", "sampling, s", COST, "wall seconds of the job that drew the samples", better=LESS),
    Measure(
        "sample_images_per_second",
        "sampling, images/s",
        COST,
        "samples over the wall seconds of their job, its start and its other measures included",
        better=MORE,
    ),
    Measure(
        "sample_flops_per_second",
        "sampling, FLOP/s",
        COST,
        "achieved: counted FLOPs of the whole job over its wall seconds",
        better=MORE,
    ),
    Measure(
        "sample_memory", "sampling, MB", COST, "largest resident memory of that job; a GPU's is not in it", better=LESS
    ),
)


def _attacks() -> Iterator[Measure]:
    for name in ATTACKS:
        title, prefix = NAMES[name], f"attack_{name}"
        yield Measure(
            f"{prefix}_auc", f"AUC, {title}", MEMBERSHIP, "0.5 is chance", unit=True, shown=name == "sima", better=LESS
        )
        for rate, words in (("1", "1 %"), ("01", "0.1 %")):
            yield Measure(
                f"{prefix}_tpr_at_{rate}_percent",
                f"TPR at {words} FPR, {title}",
                MEMBERSHIP,
                f"share of training images named while {words} of held-out ones are",
                unit=True,
                shown=(name, rate) == ("sima", "1"),
                better=LESS,
            )
        yield Measure(f"{prefix}_sigma", f"σ, {title}", MEMBERSHIP, "noise level of the attack, chosen on other images")


MEASURES = {each.name: each for each in (*_LISTED, *_attacks())}
"""All that the report knows, by name, in the order of pages within their groups."""

IN_PIXELS = "between the pictures that latents are decoded to"


def measure(name: str) -> Measure:
    """A measure by name; one that the catalogue lacks stands under its name among the others.

    Names that end with DECODED are the same between the pictures that latents are decoded to.
    """
    if name not in MEASURES and (plain := MEASURES.get(name.removesuffix(DECODED))):
        floor = f"{plain.floor}{DECODED}" if plain.floor else ""
        return replace(
            plain, name=name, title=f"{plain.title}, in pixels", meaning=f"{IN_PIXELS}: {plain.meaning}", floor=floor
        )
    return MEASURES.get(name) or Measure(name, name.replace("_", " "), OTHER, "")


def in_order(names: list[str]) -> list[Measure]:
    """Measures in the order of pages: by group, as listed, then those that the catalogue lacks."""
    places = {name: place for place, name in enumerate(MEASURES)}

    def place(each: Measure) -> tuple[int, int]:
        return GROUPS.index(each.group), places.get(each.name.removesuffix(DECODED), len(places))

    return sorted(map(measure, names), key=place)
