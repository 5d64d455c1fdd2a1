"""Consistency: whether a run and its twin, trained on other images, draw the same images from the same noise."""

from collections.abc import Mapping
from pathlib import Path

from diffbench.data.training_set import Images, read_training_set
from diffbench.files import provenance, store
from diffbench.files.estimates import scalar_variables
from diffbench.measures.consistency import pair_consistency
from diffbench.study.specs import StageSpec


def run(
    spec: StageSpec,
    data: Path,
    conditions: Path,
    twin_conditions: Path,
    samples: Path,
    twin_samples: Path,
    out: Path,
) -> None:
    """Correlate samples that started from the same noise under the same label; other pairs are left out."""
    inputs = spec.inputs
    own = store.read(samples, "sample", inputs.get("samples"))
    twin = store.read(twin_samples, "sample", inputs.get("twin_samples"))
    alike = own["label"] == twin["label"]
    training_set = read_training_set(data, conditions, inputs)
    consistency = pair_consistency(
        _flat(own["samples"][alike]),
        _flat(twin["samples"][alike]),
        training_set.flat_train,
        read_training_set(data, twin_conditions, _of_twin(inputs)).flat_train,
        seed=0,
    )
    estimates = {
        "pair_correlation": consistency.between,
        "correlation_to_own_train": consistency.to_own_train,
        "pair_consistency": consistency.difference,
    }
    attributes = provenance.attributes(spec.factors, {})
    store.write(out, "consistency", scalar_variables(estimates, own=training_set.space), attributes, spec.fingerprint)


def _of_twin(inputs: Mapping[str, str]) -> dict[str, str]:
    """Fingerprints of the images and of the twin's labels, by the names that reading them asks for."""
    return {"data": inputs["data"], "conditions": inputs["twin_conditions"]} if inputs else {}


def _flat(images: Images) -> Images:
    return images.reshape(len(images), -1)
