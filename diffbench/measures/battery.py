"""The memorization measures of one set of samples, by the names under which tables, reports and audits show them."""

from dataclasses import dataclass

from diffbench.measures.copying import copying_test, nearest_side_rate
from diffbench.measures.intervals import Estimate, undefined
from diffbench.measures.memorization import Closeness, closeness, memorization
from diffbench.measures.neighbors import Images

MEASURES = (
    ("memorized_fraction", "memorized_floor", "fraction"),
    ("memorized_fraction_half", "memorized_floor_half", "fraction_half"),
    ("memorized_fraction_quarter", "memorized_floor_quarter", "fraction_quarter"),
    ("mem_auc", "mem_auc_floor", "mem_auc"),
    ("calibrated_fraction", "calibrated_floor", "calibrated_fraction"),
    ("auth_pct", "auth_pct_floor", "authentic"),
)
"""Name of a measure, name of its floor, field of the record that holds it."""


@dataclass(frozen=True)
class MemorizationBattery:
    """Estimates by name, each measure followed by its floor, and the distances behind them."""

    estimates: dict[str, Estimate]
    samples: Closeness


def memorization_battery(
    samples: Images, train: Images, validation: Images | None, seed: int = 0
) -> MemorizationBattery:
    """All memorization measures of flat samples (m, d) against train (n, d), n >= 2, and validation (v, d) if there is any.

    Floors (the same numbers for validation images as if generated), C_T and the nearest-side rate need validation images
    and are undefined without.
    """
    close = closeness(samples, train)
    own = memorization(close, seed)
    floor = None if validation is None else memorization(closeness(validation, train), seed)
    missing = undefined("needs validation images", 0)
    estimates = {}
    for name, floor_name, field in MEASURES:
        estimates[name] = getattr(own, field)
        estimates[floor_name] = missing if floor is None else getattr(floor, field)
    if validation is None:
        return MemorizationBattery(estimates | {"c_t": missing, "nearest_side_rate": missing}, close)
    estimates["c_t"] = copying_test(samples, validation, train, seed).c_t
    estimates["nearest_side_rate"] = nearest_side_rate(samples, train, validation, seed)
    return MemorizationBattery(estimates, close)
