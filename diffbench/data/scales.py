"""Which scale pixels are on: what an array's type, extremes and quantiles say of its black and white.

Bytes against floats in [0, 1], or these against [-1, 1], are the same pictures and lie far apart: distances between
them say nothing. So every comparison asks here first, and what cannot be told is said to be unclear, not guessed.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.data.raw_images import Blame

Ends = tuple[float, float]
"""Values of black and white."""

BYTES: Ends = (0.0, 255.0)
"""Black and white of uint8 images that reach far enough, or of which the user says nothing else."""

DEEP: Ends = (0.0, 65535.0)
"""The same of 16 bits."""

NORMALISED = "normalised"
"""Name of the scale of values less a mean, divided by a standard deviation."""

TAILS = (0.001, 0.999)
"""Quantiles that stand for the extremes where single values stick out, as those of samples do."""

SAMPLED = 2**18
"""Values at most that quantiles are taken from, spread evenly over the array; so many are read at once, too."""

DARK = 127
"""Whole numbers that never exceed this may be dark bytes, or on a scale of their own, such as digits of 0 to 16."""

FAINT = 0.55
"""Fractions that never exceed this may be faint images, or on a scale of their own, such as -0.5 to 0.5."""

OVERSHOOT = 0.05
"""Share of a scale's width by which quantiles may lie beyond its ends, as after resizing; single values farther."""

FARTHEST = 10
"""Normalised values lie about 0 and no farther from it."""

APART = 0.2
"""Two sets whose ends differ by a larger share of their width are not on one scale, where neither is clear."""

APART_FROM_CLEAR = 0.1
"""The same where one of them is clear."""

DOUBLE = 2.0
"""The same for sets that begin at 0: the one reaches so many times as far as the other."""

NARROWEST = 0.1
"""Values that span a smaller share of a scale's width are on another one, or blank."""

MOST_OF_IT = 0.6
"""Share of a declared range that a scale which is clear must have."""

HALF_STEP = 1 / 510
"""Share of a declared range by which values may lie outside: half a step of 8 bits."""


@dataclass(frozen=True)
class Scale:
    """What the values of an array span, and the scale that this says they are on."""

    name: str
    ends: Ends | None
    """None where the values do not tell."""
    low: float
    high: float
    tails: Ends
    """The quantiles at TAILS."""

    @property
    def text(self) -> str:
        """The extremes, and the scale's name."""
        return f"[{self.low:.4g}, {self.high:.4g}] ({self.name})"

    def relative_to(self, ends: Ends) -> "Scale":
        """The same of values that are shifted and divided so that `ends` become 0 and 1."""

        def moved(pair: Ends) -> Ends:
            return (pair[0] - ends[0]) / (ends[1] - ends[0]), (pair[1] - ends[0]) / (ends[1] - ends[0])

        return Scale(self.name, self.ends and moved(self.ends), *moved((self.low, self.high)), moved(self.tails))


def scale_of(
    images: np.ndarray, blame: Blame, convert: Callable[[np.ndarray], np.ndarray] = lambda block: block
) -> Scale:
    """The scale of real images (n, ...), n > 0, converted, block by block. An error of `blame` names a row with NaN."""
    low, high, whole = math.inf, -math.inf, True
    length = max(1, SAMPLED // math.prod(images.shape[1:]))
    for start in range(0, len(images), length):
        block = convert(np.asarray(images[start : start + length]))
        if block.dtype.kind == "f":
            _require_finite(block, start, blame)
            whole = whole and bool((block == np.rint(block)).all())
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    lower, upper = (float(value) for value in np.quantile(convert(_sampled(images)), TAILS))
    return Scale(*_named(low, high, (lower, upper), whole), low, high, (lower, upper))


def _require_finite(block: np.ndarray, start: int, blame: Blame) -> None:
    bad = ~np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if bad.any():
        raise blame(f"NaN or infinite values in image {start + int(bad.argmax())}, counted from 0; mend or remove it")


def _sampled(images: np.ndarray) -> np.ndarray:
    """Values in float64 of rows that are spread evenly over the array."""
    size = max(1, math.prod(images.shape[1:]))
    rows = np.unique(np.linspace(0, len(images) - 1, max(1, min(len(images), SAMPLED // size))).astype(np.int64))
    values = np.asarray(images[rows]).ravel()
    return values[:: -(-values.size // SAMPLED)].astype(np.float64)


def _named(low: float, high: float, tails: Ends, whole: bool) -> tuple[str, Ends | None]:
    if low == high:
        return "one value alone", None
    return _of_whole_numbers(low, high) if whole else _of_fractions(low, high, tails)


def _of_whole_numbers(low: float, high: float) -> tuple[str, Ends | None]:
    if low < 0:
        return ("-1 to 1", (-1.0, 1.0)) if low >= -1 and high <= 1 else ("signed whole numbers", None)
    if high <= 1:
        return "0 and 1", (0.0, 1.0)
    if high <= DARK:
        return f"unclear: dark bytes, or 0 to {high:.0f}", None
    if high <= 255:
        return "0 to 255", BYTES
    if high > 65535:
        return "unclear: whole numbers beyond 16 bits", None
    if high > 32767:
        return "16 bits, 0 to 65535", DEEP
    return f"unclear: 16 bits, or 0 to {high:.0f}", None


def _of_fractions(low: float, high: float, tails: Ends) -> tuple[str, Ends | None]:
    def on(ends: Ends, share: float) -> bool:
        return _within((low, high), ends, share) and _within(tails, ends, OVERSHOOT)

    if high > FAINT and on((0.0, 1.0), 0.5):
        return "0 to 1", (0.0, 1.0)
    if tails[0] < -APART and (low < -FAINT or high > FAINT) and on((-1.0, 1.0), 0.25):
        return "-1 to 1", (-1.0, 1.0)
    if high > DARK and on(BYTES, 0.25):
        return "0 to 255", BYTES
    if low < 0 and (tails[0] < -1 or tails[1] > 1) and max(-low, high) <= FARTHEST:
        return NORMALISED, None
    return "unclear", None


def _within(values: Ends, ends: Ends, share: float) -> bool:
    """Whether values lie between the ends, but for a share of their distance."""
    room = share * (ends[1] - ends[0])
    return values[0] >= ends[0] - room and values[1] <= ends[1] + room


def alike(one: Scale, other: Scale) -> bool:
    """Whether two arrays' values are on one scale: that of the same ends, or an unclear one if they span the same."""
    if one.ends is not None and other.ends is not None:
        return one.ends == other.ends
    clear = one.ends is not None or other.ends is not None
    if clear and NORMALISED in (one.name, other.name):
        return False
    room = APART_FROM_CLEAR if clear else APART
    return _near((one.low, one.high), (other.low, other.high), room) or _near(one.tails, other.tails, room)


def _near(one: Ends, other: Ends, room: float) -> bool:
    width, narrow = max(one[1] - one[0], other[1] - other[0]), min(one[1] - one[0], other[1] - other[0])
    if narrow < NARROWEST * width or width == 0:
        return False
    if min(one[0], other[0]) >= 0:
        return max(one[1], other[1]) < DOUBLE * min(one[1], other[1])
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) <= room * width


def conversion(given: Scale, wanted: Scale) -> str:
    """How to bring values onto another scale, as a formula of x; empty where either is unclear."""
    if given.ends is None or wanted.ends is None:
        return ""
    (low, high), (to_low, to_high) = given.ends, wanted.ends
    shift = f"(x - {low:g})" if low > 0 else f"(x + {-low:g})" if low < 0 else "x"
    factor = (to_high - to_low) / (high - low)
    scaled = shift if factor == 1 else f"{shift} * {factor:g}" if factor > 1 else f"{shift} / {1 / factor:g}"
    return scaled if to_low == 0 else f"{scaled} {'+' if to_low > 0 else '-'} {abs(to_low):g}"


def parse_range(option: str, text: str) -> Ends:
    """The two numbers LOW,HIGH of an option. DiffbenchError if they are none."""
    try:
        values = json.loads(f"[{text.strip().strip('[]()')}]")
        low, high = map(float, values)
    except (ValueError, TypeError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DiffbenchError(f"--{option}: give two numbers, the lower one first, such as -1,1 (got {text})")
    return low, high


def misfit(scale: Scale, declared: Ends, generated: bool = False) -> str | None:
    """What is wrong with a range that values are said to be on, if anything: they leave it, or hardly use it.

    Generated images may be paler than real ones; of others, a scale that is clear must not be half of the range: images
    in [0, 1] are none in [-1, 1].
    """
    low, high = declared
    span, given = f"its values lie in {scale.text}", f"the range {low:g},{high:g} that was given"
    other = scale.ends if scale.ends != declared else None
    if not _within((scale.low, scale.high), declared, HALF_STEP):
        remedy = f"give {other[0]:g},{other[1]:g}" if other else "clip them, or give another"
        return f"{span}, outside {given}; {remedy}"
    if other and not generated and other[1] - other[0] < MOST_OF_IT * (high - low):
        return f"{span}, a part of {given}; give {other[0]:g},{other[1]:g}"
    if scale.high - scale.low < NARROWEST * (high - low):
        return f"{span}, hardly a part of {given}; give the one that they are on"
    return None
