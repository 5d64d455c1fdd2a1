"""A diffusers pipeline on disk as a denoiser: `import: "diffbench.adapters.pipeline:pipeline"`, weights: its folder.

It needs the package diffusers (the extra `diffusers`) and no network.
"""

from pathlib import Path
from typing import Any

from torch import nn

from diffbench.adapters.conditions import TEXT, ArrayConditions, NoConditions, encode, read_arrays
from diffbench.adapters.libraries import library
from diffbench.adapters.network import (
    ARRAYS,
    CLASSES,
    LEGACY,
    DiffusersNetwork,
    array_widths,
    class_conditions,
    has_classes,
)
from diffbench.adapters.prediction import PredictionDenoiser
from diffbench.adapters.pretrained import pretrained
from diffbench.adapters.scheduler import BY_HAND, Noising, read_config, read_scheduler
from diffbench.adapters.state import load_state
from diffbench.conventions import DiffbenchError

PARTS = ("unet", "transformer")
"""Where save_pretrained puts the network."""


def pipeline(
    weights: Path,
    subfolder: str | None = None,
    folder: str | None = None,
    key: str | None = None,
    null_label: int | None = None,
    conditions: str | None = None,
    unconditional: str | None = None,
    prompts: list[str] | str | None = None,
) -> PredictionDenoiser:
    """The denoiser of a folder that save_pretrained wrote: a network, or a pipeline, and scheduler/ beside it.

    subfolder: where in it the network lies, such as unet_ema; unet, transformer or the folder itself if left out.
    folder: where weights is a file, .safetensors or .pt: the folder whose configuration it belongs to; key: the entry
    of a checkpoint that holds the state dict.
    null_label: class of a U-Net that stands for "no condition"; a DiT has one after its last class by itself.
    conditions, unconditional: .npy or .npz files, relative to that folder: the network's arrays (K, ...) for each of
    K classes, and those (...) that stand for no condition. prompts: a text for each class, or a file of one per line,
    which the pipeline's own text encoder embeds; then, and where it has one, "" is what stands for no condition.
    DiffbenchError for whatever the folder lacks, or is not understood.
    """
    diffusers = library("diffusers")
    root = weights if folder is None else Path(folder)
    if folder is None and key is not None:
        raise DiffbenchError("arguments: key: goes with a file of weights, and folder: where its configuration is")
    if not root.is_dir():
        raise DiffbenchError(f"weights: {root}: is no folder; a file of weights needs arguments: {{folder: ...}} too")
    part = _part(root, subfolder)
    noising = read_scheduler(diffusers, _scheduler_folder(root, part))
    model = _network(diffusers, part, None if folder is None else weights, key, noising)
    try:
        if type(model).__name__ in CLASSES:
            taken = _of_classes(model, null_label)
            _refuse(conditions=conditions, unconditional=unconditional, prompts=prompts)
        else:
            _refuse(null_label=null_label)
            taken = _of_arrays(model, root, conditions, unconditional, prompts)
        network = DiffusersNetwork(model, taken, latent=any((root / vae).is_dir() for vae in ("vae", "vqvae")))
    except DiffbenchError as error:
        raise DiffbenchError(f"weights: {part}: {error}") from None
    return PredictionDenoiser(network, noising.prediction, noising.schedule)


def _part(root: Path, subfolder: str | None) -> Path:
    """The folder of the network."""
    names = (*PARTS, ".") if subfolder is None else (_file(Path(), "subfolder", subfolder),)
    part = next((root / name for name in names if (root / name / "config.json").is_file()), None)
    if part is None:
        there = sorted(str(path.parent.relative_to(root)) for path in root.glob("*/config.json"))
        found = f"; its folders with one are {', '.join(there)}" if there else ""
        sought = "unet/ or transformer/" if subfolder is None else f"{subfolder}/"
        raise DiffbenchError(f"weights: {root}: holds no {sought} with a config.json of diffusers{found}")
    return part


def _scheduler_folder(root: Path, part: Path) -> Path:
    """Where the noise schedule is written down."""
    places = (root / "scheduler", part / "scheduler", root, part)
    place = next((place for place in places if (place / "scheduler_config.json").is_file()), None)
    if place is None:
        raise DiffbenchError(
            f"weights: {root}: holds no scheduler/ with a scheduler_config.json, so its noise schedule is not known;"
            f" save the scheduler of its training there, or wrap the network in a factory of your own: {BY_HAND}"
        )
    return place


def _network(diffusers: Any, part: Path, weights: Path | None, key: str | None, noising: Noising) -> nn.Module:
    """The network with its weights: those beside its configuration, or those of another file."""
    config = read_config(part / "config.json")
    name = str(config.get("_class_name"))
    legacy = name == LEGACY and config.get("norm_type") in ("ada_norm_zero", "ada_norm_single")
    if name not in (*CLASSES, *ARRAYS) and not legacy:
        raise DiffbenchError(
            f"weights: {part}: a {name} is not understood ({', '.join((*CLASSES, *ARRAYS))} are), but its scheduler is:"
            f" return {noising.by_hand} from a factory of your own, where network(x_t, t, label) calls it"
        )
    try:
        kind = getattr(diffusers, name)
        if weights is None:
            return pretrained(kind, part)
        network = kind.from_config(kind.load_config(part, local_files_only=True)).eval()
    except (AttributeError, OSError, ValueError, RuntimeError, TypeError) as error:
        raise DiffbenchError(f"weights: {part}: {' '.join(str(error).split())}") from None
    load_state(network, weights, key)
    return network


def _of_classes(model: nn.Module, null_label: int | None) -> nn.Module:
    if has_classes(model):
        return class_conditions(model, null_label)
    _refuse(null_label=null_label)
    return NoConditions()


def _of_arrays(
    model: nn.Module, root: Path, conditions: str | None, unconditional: str | None, prompts: list[str] | str | None
) -> ArrayConditions:
    """Conditions of a network with embeddings, from files, or from texts where the pipeline can embed them."""
    widths = array_widths(model)
    table = None if conditions is None else read_arrays(_file(root, "conditions", conditions), TEXT)
    null = None if unconditional is None else read_arrays(_file(root, "unconditional", unconditional), TEXT)
    if prompts is not None and conditions is not None:
        raise DiffbenchError("give either conditions or prompts")
    embeds = type(model).__name__ == "UNet2DConditionModel" and list(widths) == [TEXT] and _has_clip(root)
    if prompts is not None and not embeds:
        raise DiffbenchError(
            "prompts need a pipeline with tokenizer/ and text_encoder/, a CLIPTextModel, and a network that takes"
            " nothing else; embed them with encode_prompt of the pipeline, and give arguments: {conditions: FILE.npz}"
        )
    if embeds and (prompts is not None or null is None):
        texts = _texts(root, prompts)
        embedded = encode(root, ["", *texts])
        table = {TEXT: embedded[1:]} if texts else table
        null = {TEXT: embedded[0]} if null is None else null
    return ArrayConditions(widths, table, null)


def _has_clip(root: Path) -> bool:
    config = root / "text_encoder/config.json"
    known = config.is_file() and "CLIPTextModel" in (read_config(config).get("architectures") or ())
    return known and (root / "tokenizer").is_dir()


def _texts(root: Path, prompts: list[str] | str | None) -> list[str]:
    if isinstance(prompts, str):
        try:
            return _file(root, "prompts", prompts).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DiffbenchError(f"prompts: {' '.join(str(error).split())}") from None
    return list(prompts or ())


def _file(root: Path, argument: str, name: str) -> Path:
    """The file that an argument names; what changes outside the folder goes unseen unless its whole path is given."""
    if ".." in Path(name).parts:
        raise DiffbenchError(f"arguments: {argument}: {name}: give a file in the folder, or the whole path")
    return root / name


def _refuse(**arguments: object) -> None:
    """Arguments that have no meaning for this network."""
    for name, value in arguments.items():
        if value is not None:
            raise DiffbenchError(f"arguments: {name}: the model does not take it")
