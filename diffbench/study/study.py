"""A study: a centre, sweeps around it, and the runs, checkpoints and cells they mean.

No torch here: the DAG is built from it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from diffbench.data import catalog
from diffbench.settings.base import Count, Name, NotNegative, Positive, Seed, Strict, Title
from diffbench.settings.data import DataSettings
from diffbench.settings.granularity import Granularity
from diffbench.settings.guidance import Guidance
from diffbench.settings.lab import TOPICS, LabSettings
from diffbench.settings.measures import MeasuresSettings
from diffbench.settings.models import (
    CONTROLS,
    PRESETS,
    External,
    ModelDefinition,
    Variant,
)
from diffbench.settings.report import ReportSettings
from diffbench.settings.sampling import SamplingSettings
from diffbench.settings.training import TrainingSettings
from diffbench.study import layout
from diffbench.study.grid import Cell, Center, Checkpoint, Run, Sweep, combinations
from diffbench.study.imported import files_of


class Study(Strict):
    """A study file."""

    name: Name = Field(description="Name of the study and of its folder under results/.")
    title: Title | None = Field(default=None, description="What pages call the study; its name if left out.")
    data: DataSettings = DataSettings()
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
    training: TrainingSettings = TrainingSettings()
    sampling: SamplingSettings = SamplingSettings()
    measures: MeasuresSettings = MeasuresSettings()
    report: ReportSettings = ReportSettings()
    lab: LabSettings | None = Field(
        default=None, description="The 2D laboratory, which judges the fifth claim; without it none of its jobs exist."
    )
    note: str | None = Field(
        default=None, max_length=500, description="A sentence that stands at the top of every page of the report."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where networks run; auto takes a free GPU."
    )
    threads: int = Field(
        default=1, ge=1, le=1024, description="Threads per job that runs a network; 1 suits small models."
    )
    runtime_factor: Positive = Field(
        default=1.0, description="Of a site: times the minutes that jobs ask of its scheduler; no result depends on it."
    )
    batch_minutes: NotNegative = Field(
        default=5.0,
        description="Of a site: minutes of work, by plan, for which short jobs share a submission; 0: none do.",
    )

    @model_serializer(mode="wrap")
    def _without_absent_words(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without title and note where there are none, so that results of before there could be stay what they are."""
        words = ("title", "note")
        return {name: each for name, each in handler(self).items() if name not in words or each is not None}

    def definition(self, model: str) -> ModelDefinition:
        """What a model's name stands for, the study's own definitions first; of a variant, what it varies."""
        named = self.models.get(model) or PRESETS[model]
        return self.definition(named.of) if isinstance(named, Variant) else named

    def training_of(self, model: str) -> TrainingSettings:
        """How a model is trained: as all others, but for what a variant sets itself."""
        variant = self.models.get(model)
        if not isinstance(variant, Variant):
            return self.training
        return self.training.model_copy(update=variant.model_dump(exclude={"kind", "of"}, exclude_none=True))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, sorted, each once. Combinations that `guidable` denies are left out."""
        return tuple(sorted(set(self._expand())))

    @cached_property
    def cells_by_setting(self) -> dict[tuple[str, int, str, str], list[Cell]]:
        """Cells of all seeds and steps, sorted, by model, training size, granularity and label of the guidance."""
        found: dict[tuple[str, int, str, str], list[Cell]] = {}
        for cell in self.cells:
            run = cell.checkpoint.run
            found.setdefault((run.model, run.train_size, run.granularity, cell.guidance.label), []).append(cell)
        return found

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
        factors = cell.factors
        kinds = [layout.MEMORIZATION]
        if self.denoises(cell.checkpoint.run.model):
            kinds += [layout.OPTIMUM, layout.DENOISE, layout.OVERLAP]
        if cell in self._paired:
            kinds.append(layout.CONSISTENCY)
        return [kind.of(factors) for kind in kinds]

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
            *(layout.TOPIC.of({"topic": topic}) for topic in TOPICS),
            *(layout.EQUIVALENT.of(checkpoint.factors) for checkpoint in trained),
        )

    @cached_property
    def has_controls(self) -> bool:
        """Whether the study has models whose truth is known, and so a page of controls."""
        return any(isinstance(self.definition(run.model), CONTROLS) for run in self.runs)

    def denoises(self, model: str) -> bool:
        """Whether a model has a denoiser; planted samples have none."""
        return self.definition(model).kind != "planted"

    def weights_of(self, model: str) -> list[str]:
        """Files and folders that a model made elsewhere is read from: its weights, and what its arguments name."""
        definition = self.definition(model)
        return files_of(definition) if isinstance(definition, External) else []

    @property
    def inspects(self) -> bool:
        """Whether the study is of one model from outside and no other, as an inspection is."""
        return len(self.cells) == 1 and isinstance(self.definition(self.cells[0].checkpoint.run.model), External)

    @property
    def pages(self) -> list[str]:
        """Pages of its report, but for those of controls and laboratory."""
        return [page for page in layout.PAGES if not (self.inspects and page in layout.COMPARING)]

    @property
    def decoded_kinds(self) -> tuple[layout.Kind, ...]:
        """Files of what latents are decoded to, of the images and of each cell's samples, where there is a decoder."""
        return (layout.PIXELS, layout.DECODED) if self.data.decoding else ()

    @property
    def pictured(self) -> layout.Kind:
        """File of the images as they are looked at."""
        return layout.PIXELS if self.data.decoding else layout.DATA

    @property
    def decoder_weights(self) -> list[str]:
        """Files and folders that the decoder is read from, likewise."""
        return files_of(self.data.decoding) if self.data.decoding else []

    @property
    def user_files(self) -> list[str]:
        """Files and folders of the user's own whose content results depend on, each once, sorted."""
        weights = {path for model in self.models for path in self.weights_of(model)}
        encoder = [] if self.measures.quality.encoder is None else [self.measures.quality.encoder]
        return sorted({*self.data.files_given.values(), *weights, *self.decoder_weights, *encoder})

    @cached_property
    def guidances(self) -> dict[str, Guidance]:
        """Values of the factor guidance by their labels, in their natural order."""
        return {guidance.label: guidance for guidance in sorted({cell.guidance for cell in self.cells})}

    def guide(self, checkpoint: Checkpoint, guidance: Guidance) -> Checkpoint:
        """The checkpoint that an autoguided cell is steered away from: of a run that differs in the model at most."""
        run = replace(checkpoint.run, model=guidance.model or checkpoint.run.model)
        return Checkpoint(run, (guidance.step or checkpoint.step) if self.definition(run.model).trained else 0)

    def guidable(self, checkpoint: Checkpoint, guidance: Guidance) -> bool:
        """Whether a cell exists.

        Classifier-free guidance needs conditions. A guide is trained no further than what it guides, of the same model
        less far, and is found by its own step where that has none.
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
        steps: dict[Run, list[int]] = {}
        for checkpoint in sorted({*self.checkpoints, *self.guides_of(self.cells)}):
            steps.setdefault(checkpoint.run, []).append(checkpoint.step)
        return steps

    def milestones_before(self, checkpoint: Checkpoint) -> list[int]:
        """The run's milestones before a checkpoint, rising: its training starts from the last one."""
        return [step for step in self.milestones[checkpoint.run] if step < checkpoint.step]

    def seeds_of(self, model: str) -> list[int]:
        """Seeds of a model; those of models that are not trained would be copies of each other: the first alone."""
        return self.seeds if self.definition(model).trained else self.seeds[:1]

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Values of all factors but the seed; step is None where all milestones are meant."""
        return combinations(self.center, self.sweeps)

    def _expand(self) -> Iterator[Cell]:
        for factors in self.combinations():
            for seed, step in product(self.seeds_of(factors["model"]), self._steps_of(factors)):
                run = Run(factors["model"], factors["train_size"], factors["granularity"], seed)
                checkpoint = Checkpoint(run, step)
                if self.guidable(checkpoint, factors["guidance"]):
                    yield Cell(checkpoint, factors["guidance"])

    def _steps_of(self, factors: dict[str, Any]) -> list[int]:
        if not self.definition(factors["model"]).trained:
            return [0]
        return self.steps if factors["step"] is None else [factors["step"]]
