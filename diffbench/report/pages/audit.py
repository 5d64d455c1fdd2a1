"""The page of an audit: measures, and the most suspicious samples beside their nearest training images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbench.data.image_set import ImageSet
from diffbench.files.estimates import Estimate
from diffbench.measures.audit import Audit
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.report.charts.pictures import png
from diffbench.report.pages.page import write_page
from diffbench.shapes import Real

PICTURED = 48
"""Pairs on the page."""

CHANNELS = (1, 3)


@dataclass(frozen=True)
class SuspiciousPair:
    """A sample and its nearest training image, by their indices; pictures are data URIs, empty where there are none."""

    sample: int
    train: int
    distance: float
    ratio: float
    memorized: bool
    sample_picture: str
    train_picture: str


@dataclass(frozen=True)
class Row:
    """A line of the table of measures."""

    name: str
    estimate: Estimate
    space: str


def write_audit_page(path: Path, audit: Audit, samples: ImageSet, train: ImageSet, validation: ImageSet | None) -> None:
    """Write the page to `path`; it needs no other file."""
    write_page(
        path,
        "audit.html",
        [],
        rows=[Row(name, estimate, audit.spaces[name]) for name, estimate in audit.estimates.items()],
        notes=audit.notes,
        pairs=_pairs(audit, samples, train),
        sets=[images for images in (samples, train, validation) if images is not None],
    )


def _pairs(audit: Audit, samples: ImageSet, train: ImageSet) -> list[SuspiciousPair]:
    chosen = audit.suspicious[:PICTURED]
    originals = train.flat[audit.nearest[chosen]]
    low, high = float(originals.min()), float(originals.max())
    pictured = as_picture(originals[0], train.shape) is not None

    def picture(image: Real[np.ndarray, " d"]) -> str:
        channels_first = as_picture(image, train.shape)
        return "" if channels_first is None else png(channels_first, low, high)

    return [
        SuspiciousPair(
            int(sample),
            int(audit.nearest[sample]),
            float(audit.distances[sample, 0]),
            float(audit.ratios[sample]),
            bool(audit.ratios[sample] < THRESHOLD),
            picture(samples.flat[sample]) if pictured else "",
            picture(original) if pictured else "",
        )
        for sample, original in zip(chosen, originals, strict=True)
    ]


def as_picture(image: Real[np.ndarray, " d"], shape: tuple[int, ...]) -> Real[np.ndarray, "c h w"] | None:
    """A flat image as (C, H, W), where `shape` is (H, W), (C, H, W) or (H, W, C) with C = 1 or 3; else None."""
    values = image.reshape(shape)
    if len(shape) == 2:
        return values[None]
    if len(shape) != 3 or not {shape[0], shape[2]} & set(CHANNELS):
        return None
    return values if shape[0] in CHANNELS else np.moveaxis(values, 2, 0)
