"""What jobs took, as Snakemake measured it: a benchmark file per job."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from diffbench.study.layout import BENCHMARK, is_result
from diffbench.summary.reading import BROKEN, Fault
from diffbench.summary.reasons import tail

FIELDS = {"seconds": "s", "cpu_seconds": "cpu_time", "max_rss_mb": "max_rss"}
"""Columns, and what they are called in a benchmark file."""

NOT_MEASURED = (None, "NA", "-")
"""What stands there for jobs that end before they can be measured."""


def stage_costs(results: Path) -> tuple[pd.DataFrame, dict[str, Fault]]:
    """One row per job that Snakemake ran: job, seconds, cpu_seconds, max_rss_mb; and benchmark files that tell none."""
    rows: list[dict[str, Any]] = []
    faults = {}
    for path in sorted(results.rglob(f"*{BENCHMARK}")):
        name = path.relative_to(results).as_posix()
        if not is_result(name):
            continue
        try:
            rows.append({"job": name.removesuffix(BENCHMARK)} | _record(path))
        except OSError as error:
            faults[name] = Fault(BROKEN, f"the cost of its job is unknown: {error.strerror}")
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            faults[name] = Fault(BROKEN, "the cost of its job is unknown: empty, or no record of a benchmark")
    return pd.DataFrame(rows, columns=["job", *FIELDS]), faults


def _record(path: Path) -> dict[str, float]:
    """The last record of a benchmark file. OSError, ValueError, KeyError, IndexError or TypeError if there is none."""
    record = json.loads(tail(path).strip().splitlines()[-1])
    measured = {name: record[key] for name, key in FIELDS.items()}
    return {name: math.nan if value in NOT_MEASURED else float(value) for name, value in measured.items()}
