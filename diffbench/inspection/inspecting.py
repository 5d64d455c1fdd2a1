"""Inspecting: the model is tried first; then data are read, and the stages of a study run one after the other."""

import io
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from diffbench.conventions import DiffbenchError
from diffbench.data.account import numbered
from diffbench.data.raw_images import Facts
from diffbench.data.training_set import read_images
from diffbench.files import store
from diffbench.files.fingerprint import contents_of
from diffbench.files.output import atomic, unwritable
from diffbench.files.surroundings import Log
from diffbench.inspection.options import HELD_OUT, Inspection
from diffbench.inspection.words import in_own_words, own_words
from diffbench.settings.models import External
from diffbench.stages.chain import in_order, run_stage
from diffbench.study import layout
from diffbench.study.evaluations import PIXELS, Evaluations
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study


def inspect_model(inspection: Inspection, denoiser: object | None = None) -> Path:
    """Measure gap, overlap, memorization and quality of one model. Returns the folder with its results and report.

    denoiser: a function D(x, sigma, label) in the place of what the factory inspection.model would return. What goes on
    is told on standard error. DiffbenchError, in the words of the command's options, for what cannot be measured; then
    an earlier inspection is left as it is, unless the model fails amid its measurement.
    """
    with own_words():
        _check_free(inspection.out)
        facts = inspection.facts()
        held_out = min(facts.held_out or 0, HELD_OUT)
        study = inspection.study(facts.pool, held_out)
        definition = _definition(study)
        if inspection.labels is not None and study.center.granularity == "none":
            _tell("note: the model gets no labels; --granularity classes hands it those of --labels")
        _tell("trying the model")
        # Here, since torch takes its time to import, and a mistake in an option should not.
        from diffbench.denoisers.external import at_hand, make_model
        from diffbench.devices import pick_device
        from diffbench.inspection.trial import Trial, try_decoder

        device = pick_device(study.device)
        model = make_model(definition) if denoiser is None else denoiser
        if not callable(model):
            raise DiffbenchError(f"model '{inspection.model}': no function D(x, sigma, label)")
        trial = Trial(definition, model, facts, study.center.granularity, facts.pool)
        trial.first(device)
        if study.data.decoding is not None:
            try_decoder(study.data.decoding, facts.shape, device)
        contents = contents_of(study.user_files)
        with at_hand(definition, model):
            with _folder_beside(inspection.out) as folder:
                data = Path(folder) / layout.DATA.pattern
                distinct = _read(Lineage(study, contents), data)
                study = inspection.study(distinct, held_out)
                trial.at_ends(read_images(data, distinct), study.measures.gap, device)
                _clear(inspection.out, study)
                data.replace(inspection.out / layout.DATA.pattern)
            _measure(Lineage(study, contents), inspection.out, facts)
    return inspection.out


def _definition(study: Study) -> External:
    definition = study.definition(study.center.model)
    assert isinstance(definition, External)
    return definition


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
        for path in (layout.DATA.pattern, layout.PIXELS.pattern, layout.FEATURES.pattern, layout.CLAIMS, layout.LAWS):
            (out / path).unlink(missing_ok=True)
    with atomic(mark) as temporary:
        temporary.write_text(study.model_dump_json(indent=2), encoding="utf-8")


def _models_of(mark: Path) -> list[str]:
    """Names of the models of an earlier inspection, also of one by an older diffbench: plain names alone are taken."""
    try:
        models = json.loads(mark.read_text(encoding="utf-8"))["models"]
    except (ValueError, KeyError) as error:
        raise DiffbenchError(
            f"{mark}: damaged ({type(error).__name__}); remove the folder, or give a new one"
        ) from None
    return [name for name in models if re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)]


def _read(lineage: Lineage, path: Path) -> int:
    """Make the data file. Returns the number of distinct training images."""
    stage = layout.DATA.stage
    _tell(stage)
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            run_stage(stage, lineage, lineage.study.cells[0].factors, path.parent)
    finally:
        print(in_own_words(said.getvalue()), end="", file=Log())
    file = store.header(path, stage)
    if names := file.attributes["class_names"]:
        _tell(f"classes: {numbered(names)}")
    return len(file["pool"])


def _measure(lineage: Lineage, out: Path, facts: Facts) -> None:
    """Run the stages of the study but data, each after those whose files it reads, then summary and report."""
    from diffbench.stages import report, summary

    study = lineage.study
    (cell,) = study.cells
    stages = [
        stage
        for stage in in_order(map(layout.stage_of, study.files), study.decoded_kinds)
        if stage != layout.DATA.stage
    ]
    counts = _evaluations(study, facts)
    for number, stage in enumerate(stages, start=1):
        with _telling(stage, f"{stage} ({number} of {len(stages) + 1})", counts):
            run_stage(stage, lineage, cell.factors, out)
    (out / layout.TRAJECTORIES.of(cell.factors)).unlink()
    _tell(f"report ({len(stages) + 1} of {len(stages) + 1})")
    summary.run(lineage.summary_spec, out)
    report.run(study.report, out)


def _evaluations(study: Study, facts: Facts) -> dict[str, int]:
    """Images at which the long stages evaluate a denoiser."""
    from diffbench.denoisers.attack_levels import AttackLevels

    size, gap, dimension = study.center.train_size, study.measures.gap, math.prod(facts.shape)
    held_out = min(facts.held_out or 0, study.data.validation)
    data = study.data.model_copy(update={"validation": held_out})
    counts = Evaluations(study.model_copy(update={"data": data}), facts, dimension, AttackLevels.of(gap).evaluations)
    labelled = study.center.granularity != "none"
    optimum = 2 * counts.gap(size) + (2 + labelled + min(PIXELS, dimension)) * counts.compared(size)
    return {"optimum": optimum, "denoise": counts.measured(size), "sample": counts.sampled()}


@contextmanager
def _telling(stage: str, text: str, counts: Mapping[str, int]) -> Iterator[None]:
    """A line that a stage begins, and on a terminal a bar where it takes long."""
    from diffbench.denoisers.progress import watched

    _tell(text)
    if stage not in counts:
        yield
        return
    shown = {"unit": " evaluations", "unit_scale": True, "leave": False, "disable": None, "file": sys.stderr}
    with tqdm(total=counts[stage], desc=stage, **shown) as bar, watched(bar.update):
        yield


def _tell(text: str) -> None:
    print(f"diffbench inspect: {text}", file=Log())
