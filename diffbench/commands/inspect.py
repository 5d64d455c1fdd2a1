"""Inspect: one model that was trained elsewhere, on the images it was trained on and others, without a study file.

The stages of a study run one after the other in this process, on a study of one cell; the page is that of any study.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

from diffbench.conventions import SIGMA_MAX, DiffbenchError
from diffbench.data.catalog import facts
from diffbench.files import store
from diffbench.settings.data import DataSettings
from diffbench.study import specs
from diffbench.study.file import parse_study
from diffbench.study.specs import ConditionsSpec, DenoiseSpec, SampleSpec, StageSpec, Wildcards
from diffbench.study.study import Study

MARK = "inspection.json"
"""What an inspection's folder is known by; it holds the study."""


def run(
    model: Annotated[str, "package.module:factory, which returns D(x, sigma, label), see config/README.md"],
    train: Annotated[Path, "all images that the model was trained on: a .npz, .npy or .h5 file, or a folder of images"],
    held_out: Annotated[Path, "images that it was not trained on, in the same form"],
    out: Annotated[Path, "folder to write; one of an earlier inspection is overwritten"],
    weights: Annotated[str | None, "file or folder that the factory gets as `weights`"] = None,
    arguments: Annotated[str, "keywords of the factory, a JSON object"] = "{}",
    scale: Annotated[str, "pixels that the model knows: minus-one-one, raw or suite"] = "minus-one-one",
    range: Annotated[str | None, "raw values that are -1 and 1 to the model, as LOW,HIGH; 0,255 if left out"] = None,
    images: Annotated[str | None, "name of the array of images in the files"] = None,
    labels: Annotated[str | None, "name of the array of class labels in the files"] = None,
    granularity: Annotated[str, "labels that the model is conditioned on: none or classes"] = "none",
    samples: Annotated[int, "samples to draw"] = 512,
    sigma_max: Annotated[float, "highest noise level, where the model knows none of 80"] = SIGMA_MAX,
    device: Annotated[str, "auto, cpu or cuda"] = "auto",
) -> None:
    """Measure gap, overlap, memorization and quality of one model, and print the path of the report."""
    _check_free(out)
    keywords = _parsed("arguments", arguments, dict)
    definition = {"import": model, "arguments": keywords, "weights": weights, "scale": scale}
    if range is not None:
        definition["range"] = _parsed("range", f"[{range}]", list)
    name = re.sub(r"[^a-z0-9.-]+", "-", model.lower()).strip("-.")[:60]
    data = {"name": "folder" if train.is_dir() else "file", "path": str(train), "held_out": str(held_out)}
    raw = {
        "name": "inspection",
        "data": data | {key: value for key, value in (("images", images), ("labels", labels)) if value is not None},
        "models": {name: definition},
        "steps": [1],
        "seeds": [0],
        "center": {"model": name, "granularity": granularity, "guidance": 0.0},
        "sampling": {"samples": samples, "trajectories": min(256, samples), "sigma_max": sigma_max},
        "measures": {"gap": {"sigma_max": sigma_max}},
        "device": device,
    }
    study = _of_size(raw, facts(DataSettings.parse(raw["data"], "inspect")).pool)
    from diffbench.denoisers.external import import_factory

    import_factory(model)  # before anything is written
    _clear(out, study)
    print(f"Report: {_measure(raw, study, out).resolve()}")


def _of_size(raw: dict[str, Any], train_size: int) -> Study:
    """The study that trains on so many images."""
    return parse_study(raw | {"center": raw["center"] | {"train_size": train_size}}, "inspect")


def _parsed(option: str, text: str, kind: type) -> Any:
    """The JSON value of an option."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        form = "a JSON object, such as '{\"width\": 64}'" if kind is dict else "two numbers, such as 0,255"
        raise DiffbenchError(f"--{option}: give {form} (got {text.strip('[]')})")
    return value


def _check_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and ((out / MARK).is_file() or not any(out.iterdir()))):
        raise DiffbenchError(f"--out: {out} exists and is no inspection; give a new folder, or remove it")


def _clear(out: Path, study: Study) -> None:
    """Remove what an earlier inspection wrote, by the model's folder that its mark names, and mark the folder."""
    mark = out / MARK
    if mark.is_file():
        earlier = Study.parse_json(mark.read_text(), str(mark))
        for name in ("conditions", "optimum", "summary", "report", *earlier.models):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in ("data.h5", "features.h5", "claims.json"):
            (out / name).unlink(missing_ok=True)
    with store.atomic(mark) as temporary:
        temporary.write_text(study.model_dump_json(indent=2))


def _measure(raw: dict[str, Any], study: Study, out: Path) -> Path:
    """Run the stages of the study in the order of the rules of workflow/. Returns the report's page."""
    from diffbench.stages import conditions, denoise, features, memorization, optimum, overlap, report, sample, summary
    from diffbench.stages import data as data_stage

    data, features_file = out / "data.h5", out / "features.h5"
    _tell("data")
    data_stage.run(study.data, data)
    study = _of_size(raw, len(store.header(data, "data")["pool"]))  # without duplicates
    cell = study.cells[0]
    wildcards = Wildcards(cell.factors)
    labels = out / f"conditions/n{wildcards.train_size}/{wildcards.granularity}.h5"
    reference = out / f"optimum/n{wildcards.train_size}/{wildcards.granularity}.h5"
    drawn, trajectories = out / cell.path / "samples.h5", out / cell.path / "trajectories.h5"

    _tell("conditions")
    conditions.run(ConditionsSpec.parse_json(specs.conditions(study, wildcards), "spec"), data, labels)
    _tell("denoising losses")
    optimum.run(DenoiseSpec.parse_json(specs.optimum(study, wildcards), "spec"), data, labels, reference, study.device)
    spec = DenoiseSpec.parse_json(specs.denoise(study, wildcards), "spec")
    losses = out / cell.checkpoint.path / "denoise.h5"
    denoise.run(spec, data, labels, reference, losses, device=study.device)
    _tell("samples")
    spec = SampleSpec.parse_json(specs.sample(study, wildcards), "spec")
    sample.run(spec, data, labels, drawn, trajectories, device=study.device)
    _tell("memorization and overlap")
    features.run(study.measures.quality, data, features_file)
    spec = StageSpec.parse_json(specs.cell(study, wildcards), "spec")
    memorization.run(spec, data, labels, features_file, drawn, drawn.with_name("memorization.h5"))
    overlap.run(spec, data, labels, trajectories, drawn.with_name("overlap.h5"))
    trajectories.unlink()
    _tell("report")
    summary.run(study, out)
    report.run(study.report, out)
    return out / "report" / "index.html"


def _tell(stage: str) -> None:
    print(f"diffbench inspect: {stage}", file=sys.stderr)
