"""Conditions: labels of a training subset and of the validation images at one granularity."""

from pathlib import Path

from diffbench.data.conditions import conditions
from diffbench.data.training_set import read_images, read_vectors
from diffbench.files import provenance, store
from diffbench.settings.granularity import Granularity
from diffbench.study.specs import ConditionsSpec


def run(spec: ConditionsSpec, data: Path, out: Path) -> None:
    """Label the training subset of factors["train_size"] images, or that of its twin."""
    granularity = Granularity.parse(str(spec.factors["granularity"]))
    subset = (data, int(spec.factors["train_size"]), granularity.twin, spec.inputs.get("data"))
    images = read_images(*subset)
    labels = conditions(
        granularity,
        images.flat_train,
        images.train_labels,
        images.flat_validation,
        images.validation_labels,
        images.label_count,
        spec.seed,
        read_vectors(*subset) if granularity.kind in ("given", "kmeans") else None,
    )
    variables = {
        "train_label": store.Variable(labels.train, ("image",), "condition label"),
        "validation_label": store.Variable(labels.validation, ("held_out",), "condition label"),
    }
    attributes = provenance.attributes(spec.factors, {"seed": spec.seed})
    known = {"label_count": labels.count, "twin": int(granularity.twin)}
    known |= {"given": 1} if granularity.kind == "given" else {}
    store.write(out, "conditions", variables, attributes | known, spec.fingerprint)
