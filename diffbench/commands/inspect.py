"""Inspect: one model that was trained elsewhere, on the images it was trained on and others, without a study file.

The stages of a study run one after the other in this process, on a study of one cell; the page is that of any study.
"""

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from diffbench.conventions import SIGMA_MAX, DiffbenchError
from diffbench.data.account import numbered
from diffbench.data.catalog import facts
from diffbench.data.training_set import read_images
from diffbench.files import store
from diffbench.files.fingerprint import contents_of
from diffbench.files.output import atomic, unwritable
from diffbench.files.surroundings import plain_text
from diffbench.settings.data import DataSettings
from diffbench.settings.models import External
from diffbench.stages.chain import in_order, run_stage
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study


@dataclass(frozen=True)
class Inspection:
    """What is inspected, and how."""

    model: Annotated[str, "package.module:factory, which returns D(x, sigma, label), see config/README.md"]
    train: Annotated[Path, "all images that the model was trained on: a .npz, .npy or .h5 file, or a folder of images"]
    held_out: Annotated[Path, "images that it was not trained on, in the same form"]
    out: Annotated[Path, "folder to write; one of an earlier inspection is overwritten"]
    weights: Annotated[str | None, "file or folder that the factory gets as `weights`"] = None
    arguments: Annotated[str, "keywords of the factory, a JSON object"] = "{}"
    scale: Annotated[str, "pixels that the model knows: minus-one-one, raw or suite"] = "minus-one-one"
    range: Annotated[str | None, "raw values that are -1 and 1 to the model, as LOW,HIGH; 0,255 if left out"] = None
    images: Annotated[str | None, "name of the array of images in the files"] = None
    labels: Annotated[str | None, "name of the array of class labels in the files"] = None
    granularity: Annotated[str, "labels that the model is conditioned on: none or classes"] = "none"
    samples: Annotated[int, "samples to draw"] = 512
    sigma_max: Annotated[float, "highest noise level, where the model knows none of 80"] = SIGMA_MAX
    device: Annotated[str, "auto, cpu or cuda"] = "auto"

    def study(self) -> Study:
        """The study of one cell. DiffbenchError for what no study can be made of."""
        data = DataSettings.parse(self._data(), "inspect")
        return self.study_of(facts(data).pool)

    def study_of(self, train_size: int) -> Study:
        """The same, if so many distinct images are left to train on."""
        name = re.sub(r"[^a-z0-9.-]+", "-", self.model.lower()).strip("-.")[:60]
        return parse_study(
            {
                "name": "inspection",
                "data": self._data(),
                "models": {name: self._definition()},
                "steps": [1],
                "seeds": [0],
                "center": {
                    "model": name,
                    "train_size": train_size,
                    "granularity": self.granularity,
                    "guidance": 0.0,
                },
                "sampling": {
                    "samples": self.samples,
                    "trajectories": min(256, self.samples),
                    "sigma_max": self.sigma_max,
                },
                "measures": {"gap": {"sigma_max": self.sigma_max}},
                "device": self.device,
            },
            "inspect",
        )

    def _data(self) -> dict[str, Any]:
        source = {"name": "folder" if self.train.is_dir() else "file"}
        source |= {"path": plain_text(str(self.train)), "held_out": plain_text(str(self.held_out))}
        arrays = {"images": self.images, "labels": self.labels}
        return source | {key: value for key, value in arrays.items() if value is not None}

    def _definition(self) -> dict[str, Any]:
        definition = {"import": self.model, "weights": self.weights, "scale": self.scale}
        definition["arguments"] = _parsed("arguments", self.arguments, dict)
        if self.range is not None:
            definition["range"] = _parsed("range", f"[{self.range}]", list)
        return definition


def run(inspection: Inspection) -> None:
    """Measure gap, overlap, memorization and quality of one model, and print the path of the report."""
    out = inspection.out
    _check_free(out)
    study = inspection.study()
    from diffbench.denoisers.external import import_factory

    import_factory(inspection.model)  # before anything is written
    contents = contents_of(study.user_files)
    with _folder_beside(out) as folder:
        study = _with_data(inspection, Lineage(study, contents), Path(folder))
        _clear(out, study)
        (Path(folder) / layout.DATA.pattern).replace(out / layout.DATA.pattern)
    _measure(Lineage(study, contents), out)
    print(f"Report: {(out / layout.page('index')).resolve()}")
    print(f"Privacy report: {(out / layout.page('privacy')).resolve()}")


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


def _folder_beside(out: Path) -> "TemporaryDirectory[str]":
    """A temporary folder on the disk of `out`. UnwritableError if it cannot be made."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.")
    except OSError as error:
        raise unwritable(out, error) from None


def _check_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and ((out / layout.INSPECTION).is_file() or not any(out.iterdir()))):
        raise DiffbenchError(f"--out: {out} exists and is no inspection; give a new folder, or remove it")


def _clear(out: Path, study: Study) -> None:
    """Remove what an earlier inspection wrote, by the model's folder that its mark names, and mark the folder."""
    mark = out / layout.INSPECTION
    if mark.is_file():
        for name in (*layout.FOLDERS, *_models_of(mark)):
            shutil.rmtree(out / name, ignore_errors=True)
        for path in (layout.DATA.pattern, layout.FEATURES.pattern, layout.CLAIMS, layout.LAWS):
            (out / path).unlink(missing_ok=True)
    with atomic(mark) as temporary:
        temporary.write_text(study.model_dump_json(indent=2), encoding="utf-8")


def _with_data(inspection: Inspection, lineage: Lineage, folder: Path) -> Study:
    """Make the data file in `folder`; the study of all distinct images. DiffbenchError if their scale is not right."""
    from diffbench.denoisers.external import pixel_scale

    stage, path = layout.DATA.stage, folder / layout.DATA.pattern
    _tell(stage)
    run_stage(stage, lineage, lineage.study.cells[0].factors, folder)
    file = store.header(path, stage)
    if names := file.attributes["class_names"]:
        _tell(f"classes: {numbered(names)}")
    study = inspection.study_of(len(file["pool"]))  # without duplicates
    run = study.runs[0]
    definition = study.definition(run.model)
    assert isinstance(definition, External)
    pixel_scale(definition, read_images(path, run.train_size))
    return study


def _models_of(mark: Path) -> list[str]:
    """Names of the models of an earlier inspection, also of one by an older diffbench: plain names alone are taken."""
    try:
        models = json.loads(mark.read_text(encoding="utf-8"))["models"]
    except (ValueError, KeyError) as error:
        raise DiffbenchError(
            f"{mark}: damaged ({type(error).__name__}); remove the folder, or give a new one"
        ) from None
    return [name for name in models if re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)]


def _measure(lineage: Lineage, out: Path) -> None:
    """Run the stages of the study but data, each after those whose files it reads, then summary and report."""
    from diffbench.stages import report, summary

    study = lineage.study
    (cell,) = study.cells
    for stage in in_order(map(layout.stage_of, study.files), study.decoded_kinds):
        if stage != layout.DATA.stage:
            _tell(stage)
            run_stage(stage, lineage, cell.factors, out)
    (out / layout.TRAJECTORIES.of(cell.factors)).unlink()
    _tell("report")
    summary.run(lineage.summary_spec, out)
    report.run(study.report, out)


def _tell(stage: str) -> None:
    print(f"diffbench inspect: {stage}", file=sys.stderr)
