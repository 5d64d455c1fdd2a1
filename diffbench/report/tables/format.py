"""Numbers as pages show them: three significant digits, intervals in brackets, undefined values never as 0."""

import math
from collections.abc import Callable

PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")
"""Of the SI, in thousands."""


def number(value: float | None) -> str:
    """Three significant digits; undefined and infinite values in words or signs."""
    if value is None or math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    value = float(f"{value:.3g}") if abs(value) < 1000 else value  # 0.09996 has as many digits as 0.1
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return count(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}".replace("-", "−") if digits <= 5 else _power(value)


def _power(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def level(sigma: float) -> str:
    """A noise level: up to three significant digits."""
    return f"{sigma:.3g}"


def interval(low: float, high: float) -> str:
    """An interval in brackets, or nothing where it is undefined."""
    return "" if math.isnan(low) or math.isnan(high) else f"[{number(low)}, {number(high)}]"


def count(value: float) -> str:
    """A whole number with thin separators, or infinity."""
    if math.isinf(value):
        return number(value)
    return f"{value:,.0f}".replace(",", "\u202f").replace("-", "−")


def prefixed(value: float) -> str:
    """Three significant digits with a prefix of the SI, to stand before a unit; in words where there is no number."""
    if math.isnan(value) or math.isinf(value) or value == 0:
        return f"{number(value)} "
    power = min(max(math.floor(math.log10(abs(value)) / 3), 0), len(PREFIXES) - 1)
    return f"{number(value / 1000**power)} {PREFIXES[power]}"


def duration(seconds: float) -> str:
    """Seconds as s, min or h."""
    if seconds < 120:
        return f"{number(seconds)} s"
    return f"{number(seconds / 60)} min" if seconds < 7200 else f"{number(seconds / 3600)} h"


def account(line: str) -> str:
    """What became of the images, as `data.account.line` tells it, in words of readers who have seen no study file."""
    held_out = "; held_out: "
    if line.startswith("path: "):
        line = ("training: " if held_out in line else "") + line.removeprefix("path: ")
    return line.replace(held_out, "; held-out: ", 1)


FILTERS: dict[str, Callable[..., str]] = {
    **{"number": number, "count": count, "duration": duration},
    **{"level": level, "prefixed": prefixed},
    "account": account,
}
