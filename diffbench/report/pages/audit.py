"""The page of an audit: measures, and the most suspicious samples beside their nearest training images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbench.data.image_set import ImageSet
from diffbench.files.estimates import Estimate
from diffbench.measures.audit import Audit
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.report.charts.pictures import png, told_of_latents
from diffbench.report.pages.page import write_page
from diffbench.shapes import Real

PICTURED = 48
"""Pairs on the page."""


DECODED = "Samples and training images are pictures that latents are decoded to, and distances those of pictures. "
"""What is to be said of the pairs of an audit of latents."""


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


def write_audit_page(
    path: Path, audit: Audit, samples: ImageSet, train: ImageSet, validation: ImageSet | None, title: str = ""
) -> None:
    """Write the page to `path`; it needs no other file. The sets are those of the pictures, where there are any."""
    write_page(
        path,
        "audit.html",
        [],
        title=title,
        rows=[Row(name, estimate, audit.spaces[name]) for name, estimate in audit.estimates.items()],
        notes=audit.notes,
        pairs=_pairs(audit.pictures or audit, samples, train),
        told=DECODED if audit.pictures else told_of_latents(train.shape),
        sets=[images for images in (samples, train, validation) if images is not None],
    )


def _pairs(audit: Audit, samples: ImageSet, train: ImageSet) -> list[SuspiciousPair]:
    chosen = audit.suspicious[:PICTURED]
    originals = train.flat[audit.nearest[chosen]]
    low, high = float(originals.min()), float(originals.max())
    pictured = len(train.shape) == 3

    def picture(image: Real[np.ndarray, " d"]) -> str:
        return png(image.reshape(train.shape), low, high) if pictured else ""

    return [
        SuspiciousPair(
            int(sample),
            int(audit.nearest[sample]),
            float(audit.distances[sample, 0]),
            float(audit.ratios[sample]),
            bool(audit.ratios[sample] < THRESHOLD),
            picture(samples.flat[sample]),
            picture(original),
        )
        for sample, original in zip(chosen, originals, strict=True)
    ]
