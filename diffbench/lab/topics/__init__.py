"""Topics of the laboratory: from a topic's settings to the variables of its file."""

from collections.abc import Callable
from typing import Any

from diffbench.files.store import Variable
from diffbench.lab.topics import collapse, dimension, discretization, flow, gap, profile, recall

VARIABLES: dict[str, Callable[[Any], dict[str, Variable]]] = {
    "gap": gap.variables,
    "flow": flow.variables,
    "profile": profile.variables,
    "discretization": discretization.variables,
    "collapse": collapse.variables,
    "recall": recall.variables,
    "dimension": dimension.variables,
}
"""Topic -> function of its sub-section of LabSettings."""
