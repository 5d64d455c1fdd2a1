"""Lab: one topic of the 2D laboratory: closed forms in the plane, without a network and without data."""

from pathlib import Path

from diffbench.files import provenance, store
from diffbench.lab.topics import VARIABLES
from diffbench.study.specs import LabSpec


def run(spec: LabSpec, out: Path) -> None:
    """Compute the topic factors["topic"] with its settings in spec.lab."""
    topic = str(spec.factors["topic"])
    settings = getattr(spec.lab, topic)
    variables = VARIABLES[topic](settings)
    store.write(out, "lab", variables, provenance.attributes(spec.factors, settings.model_dump()), spec.fingerprint)
