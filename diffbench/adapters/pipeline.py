"""A diffusers pipeline on disk as a denoiser: `import: "diffbench.adapters.pipeline:pipeline"`, weights: its folder.

It needs the package diffusers (the extra `diffusers`) and no network.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffbench.adapters.prediction import Prediction, PredictionDenoiser
from diffbench.adapters.schedules import TableSchedule
from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float, Int64

FOLDERS = {"unet": "UNet2DModel", "transformer": "DiTTransformer2DModel"}
"""Where save_pretrained puts the network, and the class that is understood there."""
PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}


def pipeline(weights: Path, null_label: int | None = None) -> PredictionDenoiser:
    """The denoiser of a folder that a pipeline's save_pretrained wrote: unet/ or transformer/, and scheduler/.

    null_label: class of a U-Net that stands for "no condition"; a DiT has one after its last class by itself.
    DiffbenchError for whatever the folder lacks, or is not understood.
    """
    diffusers = _diffusers()
    folder = next((name for name in FOLDERS if (weights / name / "config.json").is_file()), None)
    if folder is None:
        raise DiffbenchError(f"weights: {weights}: holds no unet/ or transformer/ with a config.json of diffusers")
    class_name = str(_config(weights / folder / "config.json").get("_class_name"))
    if class_name != FOLDERS[folder]:
        raise DiffbenchError(f"weights: {weights / folder}: is a {class_name}; {FOLDERS[folder]} is understood there")
    try:
        network = getattr(diffusers, class_name).from_pretrained(weights / folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise DiffbenchError(f"weights: {weights / folder}: {' '.join(str(error).split())}") from None
    schedule, prediction = _schedule(diffusers, weights / "scheduler")
    return PredictionDenoiser(DiffusersNetwork(network, null_label), prediction, schedule)


class DiffusersNetwork(nn.Module):
    """network(x_t, t, label) of a UNet2DModel or a DiTTransformer2DModel, without the learned variance."""

    def __init__(self, model: nn.Module, null_label: int | None = None) -> None:
        super().__init__()
        config: Any = model.config
        self.model = model
        self.channels = int(config.in_channels)
        size = config.sample_size
        self.sides = (size, size) if isinstance(size, int) else tuple(size or ())
        self.conditional = "num_embeds_ada_norm" in config or config.class_embed_type or config.num_class_embeds
        self.null_label = config.get("num_embeds_ada_norm") if null_label is None else null_label

    def forward(
        self, x: Float[Tensor, "m channels h w"], time: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None
    ) -> Float[Tensor, "m channels h w"]:
        """What the model predicts; one of twice the channels predicts its variance in the second half."""
        if self.sides and tuple(x.shape[2:]) != self.sides:  # convolutions would take it, and see nothing they know
            theirs, given = ("x".join(map(str, sides)) for sides in (self.sides, x.shape[2:]))
            raise DiffbenchError(f"the model is made for images of {theirs}, not {given}; give its own, or data.resize")
        if not self.conditional:
            if label is not None:
                raise DiffbenchError("the model has no classes; use granularity none")
            return self.model(x, time).sample[:, : self.channels]
        if label is None:
            if self.null_label is None:
                raise DiffbenchError(
                    "the model has classes, and none that stands for no condition; give arguments: {null_label: ...},"
                    " or labels and no guidance"
                )
            label = torch.full((len(x),), self.null_label, device=x.device)
        return self.model(x, time, class_labels=label).sample[:, : self.channels]


def _diffusers() -> Any:
    try:
        import diffusers
    except ImportError as error:
        raise DiffbenchError(f"needs the package diffusers ({error}): pip install 'diffbench[diffusers]'") from None
    return diffusers


def _schedule(diffusers: Any, folder: Path) -> tuple[TableSchedule, Prediction]:
    """The noise schedule of a scheduler's folder, computed by the scheduler's own class, and what is predicted."""
    name = _config(folder / "scheduler_config.json").get("_class_name")
    kind: Any = getattr(diffusers, str(name), None)
    known = isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)  # a pipeline could bring its own code
    scheduler: Any = kind.from_pretrained(folder, local_files_only=True) if known else None
    if not hasattr(scheduler, "alphas_cumprod"):
        raise DiffbenchError(f"weights: {folder}: a {name} has no alphas_cumprod; use one like DDPMScheduler")
    predicted = scheduler.config.get("prediction_type", "epsilon")
    if predicted not in PREDICTIONS:
        raise DiffbenchError(f"weights: {folder}: prediction_type '{predicted}' is none of {', '.join(PREDICTIONS)}")
    return TableSchedule.from_alphas_cumprod(scheduler.alphas_cumprod.double().numpy()), PREDICTIONS[predicted]


def _config(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DiffbenchError(f"weights: {path}: cannot be read: {' '.join(str(error).split())}") from None
