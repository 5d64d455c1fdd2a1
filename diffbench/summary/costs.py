"""What jobs took, as each of them says beside its file."""

from pathlib import Path
from typing import Any

import pandas as pd

from diffbench.files.cost import Cost
from diffbench.study.layout import COST, is_result
from diffbench.summary.reading import BROKEN, Fault


def stage_costs(results: Path) -> tuple[pd.DataFrame, dict[str, Fault]]:
    """One row per job that has ended well: job, seconds, cpu_seconds, max_rss_mb; and files that tell nothing."""
    rows: list[dict[str, Any]] = []
    faults = {}
    for path in sorted(results.rglob(f"*{COST}")):
        name = path.relative_to(results).as_posix()
        if not is_result(name):
            continue
        match read_cost(path):
            case Cost() as cost:
                rows.append({"job": name.removesuffix(COST)} | cost._asdict())
            case fault:
                faults[name] = fault
    return pd.DataFrame(rows, columns=["job", *Cost._fields]), faults


def read_cost(path: Path) -> Cost | Fault:
    """What a job says that it took, or why that is not known."""
    try:
        return Cost.read(path)
    except OSError as error:
        return Fault(BROKEN, f"the cost of its job is unknown: {error.strerror}")
    except ValueError:
        return Fault(BROKEN, "the cost of its job is unknown: empty, or no record of a cost")
