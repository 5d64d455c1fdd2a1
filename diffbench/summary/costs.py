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
        try:
            rows.append({"job": name.removesuffix(COST)} | Cost.read(path)._asdict())
        except OSError as error:
            faults[name] = Fault(BROKEN, f"the cost of its job is unknown: {error.strerror}")
        except ValueError:
            faults[name] = Fault(BROKEN, "the cost of its job is unknown: empty, or no record of a cost")
    return pd.DataFrame(rows, columns=["job", *Cost._fields]), faults
