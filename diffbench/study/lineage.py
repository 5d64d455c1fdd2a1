"""What made every file of a study: the spec of each job, which names the specs of all that the job reads.

So a fingerprint stands for all that a file depends on, the user's own files included, by their content. Files are told
from what a study asks for by comparing these, whatever their times are, and wherever they were copied to.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from diffbench.settings.base import Strict
from diffbench.settings.data import Decoder
from diffbench.settings.granularity import TWIN
from diffbench.settings.guidance import Guidance
from diffbench.settings.lab import LabSettings
from diffbench.settings.models import External, Optimal
from diffbench.settings.report import ReportSettings
from diffbench.study import layout
from diffbench.study.grid import Cell, Checkpoint
from diffbench.study.imported import contents_of
from diffbench.study.layout import Kind
from diffbench.study.specs import (
    ConditionsSpec,
    DataSpec,
    DecodeSpec,
    DenoiseSpec,
    EquivalentSpec,
    Factors,
    FeaturesSpec,
    LabSpec,
    PixelsSpec,
    SampleSpec,
    StageSpec,
    SummarySpec,
    TrainSpec,
)
from diffbench.study.study import Study

FACTORS = {"model": str, "train_size": int, "granularity": str, "seed": int, "step": int, "guidance": str, "topic": str}
"""What a file can differ by from others of its kind, as it stands in the spec of the stage that makes it."""

NOTHING: Mapping[str, str] = MappingProxyType({})

SAME_SPEC = {"plant": layout.SAMPLES.stage}
"""Stages that make another's file in its stead, of the same spec."""


class Lineage:
    """The specs of a study's files."""

    def __init__(self, study: Study, contents: Mapping[str, str] = NOTHING) -> None:
        """`contents`: fingerprints of the content of the user's files, by the paths that the study has for them."""
        self.study, self.contents = study, contents
        self._fingerprints: dict[tuple[object, ...], str] = {}

    def spec(self, stage: str, factors: Mapping[str, Any]) -> Strict:
        """The spec of the job that makes the file with these factors, numbers or text; others do not matter."""
        stage = SAME_SPEC.get(stage, stage)
        return self._builders[stage](_own(FIELDS[stage], factors))

    def spec_json(self, stage: str, factors: Mapping[str, Any]) -> str:
        """The same, as it is handed to the job."""
        return self.spec(stage, factors).model_dump_json()

    @cached_property
    def summary_spec(self) -> SummarySpec:
        """The spec of the summary: all but what changes none of its numbers."""
        beside = {
            "report": ReportSettings(),
            "device": "auto",
            "threads": 1,
            "runtime_factor": 1.0,
            "batch_minutes": 5.0,
        }
        return SummarySpec(study=self.study.model_copy(update=beside), contents=dict(self.contents))

    def fingerprint(self, kind: Kind, factors: Mapping[str, Any]) -> str:
        """Fingerprint of the spec that makes the file of this kind with these factors."""
        key = (kind.stage, *(str(factors[name]) for name in FIELDS[kind.stage]))
        if key not in self._fingerprints:
            self._fingerprints[key] = self.spec(kind.stage, factors).fingerprint
        return self._fingerprints[key]

    @cached_property
    def _builders(self) -> dict[str, Callable[[Factors], Strict]]:
        return {
            "data": self._data,
            "pixels": self._pixels,
            "features": self._features,
            "conditions": self._conditions,
            "train": self._train,
            "optimum": self._optimum,
            "denoise": self._denoise,
            "sample": self._sample,
            "decode": self._decode,
            "memorization": self._memorization,
            "overlap": self._overlap,
            "consistency": self._consistency,
            "lab": self._lab,
            "equivalent": self._equivalent,
        }

    def _inputs(self, factors: Mapping[str, Any], **kinds: Kind) -> dict[str, str]:
        return {name: self.fingerprint(kind, factors) for name, kind in kinds.items()}

    def _images(self, factors: Mapping[str, Any], **kinds: Kind) -> dict[str, str]:
        """The images and their labels, which nearly all stages read, and files of further kinds."""
        return self._inputs(factors, data=layout.DATA, conditions=layout.CONDITIONS, **kinds)

    def _weights(self, model: str, checkpoint: Checkpoint | None = None, prefix: str = "") -> dict[str, str]:
        """What the weights of a model are: those of a checkpoint, or files of the user's."""
        definition = self.study.definition(model)
        if definition.trained and checkpoint is not None:
            return {prefix or "checkpoint": self.fingerprint(layout.CHECKPOINT, checkpoint.factors)}
        if isinstance(definition, External):
            return contents_of(definition, self.contents, f"{prefix}_" if prefix else "")
        return {}

    def _data(self, _: Factors) -> DataSpec:
        given = self.study.data.files_given.items()
        files = {key: self.contents[path] for key, path in given if path in self.contents}
        return DataSpec(**dict(self.study.data) | {"decoder": None, "files": files})  # another one splits nothing anew

    @property
    def _decoder(self) -> Decoder:
        decoder = self.study.data.decoding
        if decoder is None:
            raise LookupError("the study has no decoder")
        return decoder

    def _pixels(self, factors: Factors) -> PixelsSpec:
        inputs = self._inputs(factors, data=layout.DATA) | contents_of(self._decoder, self.contents)
        return PixelsSpec(inputs=inputs, decoder=self._decoder)

    def _decode(self, factors: Factors) -> DecodeSpec:
        read = self._inputs(factors, data=layout.DATA, pixels=layout.PIXELS, samples=layout.SAMPLES)
        return DecodeSpec(
            factors=factors, inputs=read | contents_of(self._decoder, self.contents), decoder=self._decoder
        )

    def _features(self, factors: Factors) -> FeaturesSpec:
        quality = self.study.measures.quality
        decoded = {"pixels": layout.PIXELS} if self.study.data.decoding else {}
        inputs = self._inputs(factors, data=layout.DATA, **decoded)
        if quality.encoder is not None:
            inputs["encoder"] = self.contents.get(quality.encoder, "")
        return FeaturesSpec(**dict(quality), inputs=inputs)

    def _conditions(self, factors: Factors) -> ConditionsSpec:
        inputs = self._inputs(factors, data=layout.DATA)
        return ConditionsSpec(factors=factors, inputs=inputs, seed=self.study.data.split_seed)

    def _train(self, factors: Factors) -> TrainSpec:
        model = str(factors["model"])
        definition, training = self.study.definition(model), self.study.training_of(model)
        return TrainSpec(factors=factors, inputs=self._images(factors), model=definition, training=training)

    def _optimum(self, factors: Factors) -> DenoiseSpec:
        gap = self.study.measures.gap
        return DenoiseSpec(factors=factors, inputs=self._images(factors), gap=gap, model=Optimal())

    def _denoise(self, factors: Factors) -> DenoiseSpec:
        checkpoint = Checkpoint.of(factors)
        model = checkpoint.run.model
        return DenoiseSpec(
            factors=factors,
            inputs=self._images(factors, optimum=layout.OPTIMUM) | self._weights(model, checkpoint),
            gap=self.study.measures.gap,
            model=self.study.definition(model),
        )

    def _sample(self, factors: Factors) -> SampleSpec:
        checkpoint, guidance = Checkpoint.of(factors), self.study.guidances[str(factors["guidance"])]
        model = checkpoint.run.model
        guide = guidance.model or model
        return SampleSpec(
            factors=factors,
            inputs=self._images(factors) | self._weights(model, checkpoint) | self._guide(checkpoint, guidance, guide),
            model=self.study.definition(model),
            sampling=self.study.sampling,
            guidance=guidance,
            guide=self.study.definition(guide) if guidance.autoguided else None,
        )

    def _guide(self, checkpoint: Checkpoint, guidance: Guidance, model: str) -> dict[str, str]:
        if not guidance.autoguided:
            return {}
        guides = self.study.guides_of([Cell(checkpoint, guidance)])
        return self._weights(model, next(iter(guides), None), "guide")

    def _memorization(self, factors: Factors) -> StageSpec:
        decoded = {"pixels": layout.PIXELS, "decoded": layout.DECODED} if self.study.data.decoding else {}
        inputs = self._images(factors, features=layout.FEATURES, samples=layout.SAMPLES, **decoded)
        return StageSpec(factors=factors, inputs=inputs)

    def _overlap(self, factors: Factors) -> StageSpec:
        return StageSpec(factors=factors, inputs=self._images(factors, trajectories=layout.TRAJECTORIES))

    def _consistency(self, factors: Factors) -> StageSpec:
        twin = factors | {"granularity": f"{factors['granularity']}{TWIN}"}
        inputs = self._images(factors, samples=layout.SAMPLES)
        inputs |= self._inputs(twin, twin_conditions=layout.CONDITIONS, twin_samples=layout.SAMPLES)
        return StageSpec(factors=factors, inputs=inputs)

    def _lab(self, factors: Factors) -> LabSpec:
        topic, lab = str(factors["topic"]), self.study.lab or LabSettings()
        return LabSpec(factors=factors, lab=LabSettings(**{topic: getattr(lab, topic)}))

    def _equivalent(self, factors: Factors) -> EquivalentSpec:
        inputs = self._images(factors, losses=layout.DENOISE)
        return EquivalentSpec(factors=factors, inputs=inputs, noises=self.study.measures.gap.noises)


FIELDS = {kind.stage: kind.fields for kind in layout.KINDS.values() if kind.stage not in layout.WHOLE}
"""Factors that the files of a stage differ by."""


def _own(fields: tuple[str, ...], factors: Mapping[str, Any]) -> Factors:
    return {name: FACTORS[name](factors[name]) for name in fields}
