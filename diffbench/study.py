"""A study: a centre, sweeps around it, and the runs, checkpoints and cells they mean.

No torch here: the DAG is built from it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from diffbench.conventions import DiffbenchError
from diffbench.data import catalog
from diffbench.data.granularity import PATTERN, Granularity
from diffbench.denoisers.definitions import (
    CONTROLS,
    PRESETS,
    Foreign,
    ModelDefinition,
    TrainedDefinition,
    Variant,
    check_shape,
)
from diffbench.design import Cell, Checkpoint, Run
from diffbench.guiding import Guidance
from diffbench.guiding import problems as problems_of_guidance
from diffbench.lab_protocol import TOPICS, LabProtocol
from diffbench.protocol import (
    Count,
    DataProtocol,
    MeasuresProtocol,
    Name,
    ReportProtocol,
    SamplingProtocol,
    Seed,
    Strict,
    TrainingProtocol,
)

GranularityName = Annotated[str, Field(pattern=PATTERN)]


class Center(Strict):
    """One value per factor: the point around which the sweeps vary."""

    model: Name = "mlp-medium"
    train_size: int = Field(default=256, ge=2)
    granularity: GranularityName = "classes"
    guidance: Guidance = Guidance(weight=0.0)

    @property
    def factors(self) -> dict[str, Any]:
        """The values as tables show them."""
        return dict(self) | {"guidance": self.guidance.label}


class Sweep(Strict):
    """Values of one or more factors; several factors in one sweep mean their product."""

    model: list[Name] | None = Field(default=None, min_length=1)
    train_size: list[Annotated[int, Field(ge=2)]] | None = Field(default=None, min_length=1)
    granularity: list[GranularityName] | None = Field(default=None, min_length=1)
    step: list[Count] | None = Field(default=None, min_length=1, description="Among steps; left out: all of them.")
    guidance: list[Guidance] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _varies_something(self) -> Self:
        if not self.varied:
            raise ValueError("an empty sweep: give at least one factor with at least one value")
        return self

    @property
    def varied(self) -> dict[str, list[Any]]:
        """The factors that this sweep varies, with their values."""
        return {name: values for name, values in self if values is not None}


class Study(Strict):
    """A study file."""

    name: Name = Field(description="Name of the study and of its folder under results/.")
    data: DataProtocol = DataProtocol()
    models: dict[Name, Annotated[ModelDefinition | Variant, Field(discriminator="kind")]] = Field(
        default_factory=dict, description="Models of the study's own, beside the presets."
    )
    pairs: bool = Field(
        default=False, description="Train a twin of every run on other images and measure how alike their samples are."
    )
    seeds: list[Seed] = Field(
        default=[0, 1], min_length=1, description="Seeds of weights, order and noise of training."
    )
    steps: list[Count] = Field(min_length=1, description="Milestones of training, in steps; each is a checkpoint.")
    center: Center = Center()
    sweeps: list[Sweep] = Field(default_factory=list, description="What is varied around the centre.")
    training: TrainingProtocol = TrainingProtocol()
    sampling: SamplingProtocol = SamplingProtocol()
    measures: MeasuresProtocol = MeasuresProtocol()
    report: ReportProtocol = ReportProtocol()
    lab: LabProtocol | None = Field(
        default=None, description="The 2D laboratory, which judges the fifth claim; without it none of its jobs exist."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where networks run; auto takes a free GPU."
    )
    threads: Count = Field(default=1, description="Threads per job that runs a network; 1 suits small models.")

    def definition(self, model: str) -> ModelDefinition:
        """What a model's name stands for, the study's own definitions first; of a variant, what it varies."""
        found = self.models.get(model) or PRESETS[model]
        return self.definition(found.of) if isinstance(found, Variant) else found

    def training_of(self, model: str) -> TrainingProtocol:
        """How a model is trained: as all others, but for what a variant sets itself."""
        found = self.models.get(model)
        if not isinstance(found, Variant):
            return self.training
        return self.training.model_copy(update=found.model_dump(exclude={"kind", "of"}, exclude_none=True))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, sorted, each once. Combinations that `guidable` denies are left out."""
        return tuple(sorted(set(self._expand())))

    @cached_property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All checkpoints, sorted."""
        return tuple(sorted({cell.checkpoint for cell in self.cells}))

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """All runs, sorted."""
        return tuple(sorted({checkpoint.run for checkpoint in self.checkpoints}))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The measures' files that the summary is made of, inside the study's results."""
        return tuple(sorted({name for cell in self.cells for name in self.files_of(cell)})) + self._lab_files

    def files_of(self, cell: Cell) -> list[str]:
        """The measures' files of one cell, those that it shares with others included."""
        run = cell.checkpoint.run
        names = [f"{cell.path}/memorization.h5"]
        if self.denoises(run.model):
            names += [f"optimum/n{run.train_size}/{run.granularity}.h5", f"{cell.checkpoint.path}/denoise.h5"]
            names.append(f"{cell.path}/overlap.h5")
        if cell in self._paired:
            names.append(f"{cell.path}/consistency.h5")
        return names

    @cached_property
    def paired_cells(self) -> tuple[Cell, ...]:
        """Cells whose samples are compared with those of a twin, trained on as many other images."""
        if not self.pairs:
            return ()
        return tuple(
            cell
            for cell in self.cells
            if self.definition(cell.checkpoint.run.model).trained
            and Granularity.parse(cell.checkpoint.run.granularity).comparable
        )

    @cached_property
    def _paired(self) -> frozenset[Cell]:
        return frozenset(self.paired_cells)

    @property
    def _lab_files(self) -> tuple[str, ...]:
        """Topics of the laboratory, and the errors of trained models as equivalent deltas."""
        if self.lab is None:
            return ()
        planar = catalog.facts(self.data).shape == (2,)
        trained = [each for each in self.checkpoints if planar and self.definition(each.run.model).trained]
        return (
            *(f"lab/{topic}.h5" for topic in TOPICS),
            *(f"{checkpoint.path}/equivalent.h5" for checkpoint in trained),
        )

    @cached_property
    def has_controls(self) -> bool:
        """Whether the study has models whose truth is known, and so a page of controls."""
        return any(isinstance(self.definition(run.model), CONTROLS) for run in self.runs)

    def denoises(self, model: str) -> bool:
        """Whether a model has a denoiser; planted samples have none."""
        return self.definition(model).kind != "planted"

    def weights_of(self, model: str) -> list[str]:
        """Files of weights that a model made elsewhere is read from."""
        definition = self.definition(model)
        if not isinstance(definition, Foreign) or definition.weights is None:
            return []
        path = Path(definition.weights)
        return [str(path)] if path.is_file() else sorted(str(file) for file in path.rglob("*") if file.is_file())

    def without(self, *keys: str) -> str:
        """The study as JSON without some of its keys, for stages that do not read them."""
        return self.model_dump_json(exclude=set(keys))

    @cached_property
    def guidances(self) -> dict[str, Guidance]:
        """Values of the factor guidance by their labels, in their natural order."""
        return {guidance.label: guidance for guidance in sorted({cell.guidance for cell in self.cells})}

    def guide(self, checkpoint: Checkpoint, guidance: Guidance) -> Checkpoint:
        """The checkpoint that an autoguided cell is steered away from: of a run that differs in the model at most."""
        run = replace(checkpoint.run, model=guidance.model or checkpoint.run.model)
        return Checkpoint(run, (guidance.step or checkpoint.step) if self.definition(run.model).trained else 0)

    def guidable(self, checkpoint: Checkpoint, guidance: Guidance) -> bool:
        """Whether a cell exists: classifier-free guidance needs conditions, a guide is trained no further than what it

        guides, of the same model less far, and is found by its own step where that has none.
        """
        run = checkpoint.run
        if guidance.weight == 0:
            return True
        if not guidance.autoguided:
            return run.granularity != "none"
        guide = self.guide(checkpoint, guidance)
        if guide == checkpoint or not self.denoises(run.model):
            return False
        if not self.definition(guide.run.model).trained:
            return True
        return guide.step > 0 and (guide.step <= checkpoint.step or not self.definition(run.model).trained)

    def guides_of(self, cells: Iterable[Cell]) -> set[Checkpoint]:
        """Trained checkpoints that cells are guided by."""
        guides = {self.guide(cell.checkpoint, cell.guidance) for cell in cells if cell.guidance.autoguided}
        return {guide for guide in guides if self.definition(guide.run.model).trained}

    @cached_property
    def milestones(self) -> dict[Run, list[int]]:
        """Steps at which each run has a checkpoint, rising; checkpoints that only guide others included."""
        found: dict[Run, list[int]] = {}
        for checkpoint in sorted({*self.checkpoints, *self.guides_of(self.cells)}):
            found.setdefault(checkpoint.run, []).append(checkpoint.step)
        return found

    def milestones_before(self, checkpoint: Checkpoint) -> list[int]:
        """The run's milestones before a checkpoint, rising: its training starts from the last one."""
        return [step for step in self.milestones[checkpoint.run] if step < checkpoint.step]

    def seeds_of(self, model: str) -> list[int]:
        """Seeds of a model; those of models that are not trained would be copies of each other: the first alone."""
        return self.seeds if self.definition(model).trained else self.seeds[:1]

    def _combinations(self) -> Iterator[dict[str, Any]]:
        """Values of all factors but the seed; step is None where all milestones are meant."""
        center = dict(self.center) | {"step": None}
        yield center
        for sweep in self.sweeps:
            names, values = zip(*sweep.varied.items(), strict=True)
            for combination in product(*values):
                yield center | dict(zip(names, combination, strict=True))

    def _expand(self) -> Iterator[Cell]:
        for factors in self._combinations():
            for seed, step in product(self.seeds_of(factors["model"]), self._steps_of(factors)):
                run = Run(factors["model"], factors["train_size"], factors["granularity"], seed)
                checkpoint = Checkpoint(run, step)
                if self.guidable(checkpoint, factors["guidance"]):
                    yield Cell(checkpoint, factors["guidance"])

    def _steps_of(self, factors: dict[str, Any]) -> list[int]:
        if not self.definition(factors["model"]).trained:
            return [0]
        return self.steps if factors["step"] is None else [factors["step"]]


def load_study(path: Path | str) -> Study:
    """Read and check a study file. Raises DiffbenchError naming the file and every key that is wrong."""
    try:
        raw = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise DiffbenchError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DiffbenchError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return parse_study(raw, str(path))


def parse_study(raw: Any, origin: str) -> Study:
    """Check plain values as a study. Raises DiffbenchError naming `origin` and every key that is wrong."""
    if not isinstance(raw, dict):
        raise DiffbenchError(f"{origin}: a study is a mapping of keys to values, see config/README.md")
    study = Study.parse(raw | _with_kinds(raw), origin)
    if problems := list(_problems(study)) or list(_problems_of_cells(study)):
        raise DiffbenchError("; ".join(f"{origin}: {problem}" for problem in problems))
    return study


def _with_kinds(raw: dict[str, Any]) -> dict[str, Any]:
    """The models of a study file, with the kind of those that need not say it since they name an import."""
    models = raw.get("models")
    if not isinstance(models, dict):
        return {}
    foreign = {"kind": "foreign"}
    named = {
        name: foreign | model if isinstance(model, dict) and "import" in model else model
        for name, model in models.items()
    }
    return {"models": named}


RESERVED = ("conditions", "features", "lab", "logs", "optimum", "report", "summary")
"""Folders of the results beside those of the models."""


def _problems(study: Study) -> Iterator[str]:
    """What is wrong with a study beyond the types of its keys."""
    try:
        data = catalog.facts(study.data)
    except DiffbenchError as error:
        yield str(error)
        return
    if study.measures.quality.space == "classifier" and data.classes < 2:
        yield f"key 'measures.quality.space': '{study.data.name}' has no classes to train a classifier on; use pca"
    for key in ("seeds", "steps"):
        values = getattr(study, key)
        if len(set(values)) < len(values):
            yield f"key '{key}': values repeat in {values}"
    for model in study.models:
        if model in RESERVED:
            yield f"key 'models.{model}': '{model}' is the name of a folder of the results; choose another"
    if problems := [*_bad_variants(study), *_missing_weights(study)]:
        yield from problems
        return
    known = sorted({*PRESETS, *study.models})
    trained = {model: study.definition(model).trained for model in known}
    planted = {model for model in known if not study.denoises(model)}
    for where, factors in _located_values(study):
        for model in factors.get("model", []):
            if model not in known:
                yield f"key '{where}model': unknown model '{model}', known are {', '.join(known)}"
            elif problem := _misfit(study, model, data.shape):
                yield f"key '{where}model': '{model}': {problem}"
        for guidance in factors.get("guidance", []):
            for problem in problems_of_guidance(guidance, trained, planted, study.steps):
                yield f"key '{where}guidance': {problem}"
            if guidance.model in known and (problem := _misfit(study, guidance.model, data.shape)):
                yield f"key '{where}guidance': '{guidance.model}': {problem}"
        for step in set(factors.get("step", [])) - set(study.steps):
            yield f"key '{where}step': {step} is not among the steps {study.steps}"
        for size in factors.get("train_size", []):
            if problem := catalog.bad_train_size(study.data, data, size):
                yield f"key '{where}train_size': {problem}"
    for factors in study._combinations():
        granularity, size = factors["granularity"], factors["train_size"]
        if problem := catalog.bad_granularity(study.data, data, granularity, size):
            yield f"granularity '{granularity}': {problem}"
            return


def _bad_variants(study: Study) -> Iterator[str]:
    for name, model in study.models.items():
        if not isinstance(model, Variant):
            continue
        if not isinstance(study.models.get(model.of) or PRESETS.get(model.of), TrainedDefinition):
            yield f"key 'models.{name}.of': '{model.of}' is no trained model; name a preset or a model of the study"
        if study.training_of(name) == study.training:
            yield f"key 'models.{name}': trains as '{model.of}' does; set dropout or horizontal_flip to another value"


def _missing_weights(study: Study) -> Iterator[str]:
    for name, model in study.models.items():
        if isinstance(model, Foreign) and model.weights is not None and not Path(model.weights).exists():
            yield f"key 'models.{name}.weights': {model.weights}: no such file or folder"


def _misfit(study: Study, model: str, shape: tuple[int, ...]) -> str | None:
    """Why a model cannot be trained on images of `shape`, if so."""
    definition = study.definition(model)
    if not isinstance(definition, TrainedDefinition):
        return None
    if study.training_of(model).horizontal_flip and len(shape) != 3:
        return "horizontal_flip: the data are no images; set it to false"
    try:
        check_shape(definition, shape)
    except DiffbenchError as error:
        return str(error)
    return None


def _problems_of_cells(study: Study) -> Iterator[str]:
    """What is wrong with combinations of values that are each in order."""
    for factors in study._combinations():
        guidance = factors["guidance"]
        if guidance.model == factors["model"] and guidance.step is None:
            yield (
                f"guidance '{guidance.label}': model '{guidance.model}' cannot guide itself at the same step;"
                " give an earlier step, or another model"
            )
            return
    for where, factors in _located_values(study):
        for guidance in factors.get("guidance", []):
            if guidance.label not in study.guidances:
                yield (
                    f"key '{where}guidance': {guidance.text} is left with no cell: classifier-free guidance needs"
                    " conditions, and a trained guide a step, given or shared, no later than that of what it guides"
                )


def _located_values(study: Study) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    yield "center.", {name: [value] for name, value in study.center}
    for index, sweep in enumerate(study.sweeps):
        yield f"sweeps.{index}.", sweep.varied
