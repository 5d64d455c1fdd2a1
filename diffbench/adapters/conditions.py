"""What a network of diffusers is conditioned on, from the label that a denoiser gets: nothing, a class, or embeddings.

A label is a class or another number, int64 (m,), or the condition of each image itself, float32 (m, ...); None asks for
the unconditional model. A network never sees a condition that it cannot know: whatever does not fit is an error.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffbench.adapters.libraries import library
from diffbench.adapters.state import check_names
from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float, Shaped

TEXT = "encoder_hidden_states"
ADDED = ("text_embeds", "time_ids", "resolution", "aspect_ratio")
"""What diffusers hands over in a dictionary of its own, added_cond_kwargs."""
Label = Shaped[Tensor, "m ..."] | None
Arrays = dict[str, Tensor]


class NoConditions(nn.Module):
    """Of a network without conditions."""

    def forward(self, label: Label, x: Float[Tensor, "m ..."]) -> Arrays:
        """No keywords."""
        if label is not None:
            raise DiffbenchError("the model takes no conditions; use granularity none")
        return {}


class ClassConditions(nn.Module):
    """Of a network with `classes` classes, one of which, the null label, may stand for no condition."""

    def __init__(self, classes: int | None, null_label: int | None) -> None:
        super().__init__()
        if null_label is not None and classes is not None and not 0 <= null_label < classes:
            raise DiffbenchError(f"null_label: {null_label} is none of the model's classes, 0 to {classes - 1}")
        self.classes, self.null_label = classes, null_label

    def forward(self, label: Label, x: Float[Tensor, "m ..."]) -> Arrays:
        """class_labels of noised images x."""
        if label is None:
            if self.null_label is None:
                raise DiffbenchError(
                    "the model has classes, and none that stands for no condition; give arguments: {null_label: ...},"
                    " or labels and no guidance"
                )
            return {"class_labels": torch.full((len(x),), self.null_label, device=x.device)}
        if label.is_floating_point():
            raise DiffbenchError("the model has classes, and the conditions are vectors; use granularity classes")
        check_numbers(label, self.classes, "classes")
        return {"class_labels": label}


class ArrayConditions(nn.Module):
    """Of a network that takes arrays per image, such as text embeddings.

    widths: keyword of the network -> length of the array's last axis, or None where any will do.
    table: arrays (K, ...) of each keyword; a number as label picks one of the K.
    unconditional: arrays (...) of each keyword that stand for no condition.
    """

    def __init__(self, widths: dict[str, int | None], table: Arrays | None, unconditional: Arrays | None) -> None:
        super().__init__()
        self.widths = widths
        for name, arrays in (("conditions", table), ("unconditional", unconditional)):
            if arrays is not None:
                self._check(name, arrays)
        if table is not None and len({len(array) for array in table.values()}) > 1:
            raise DiffbenchError(f"conditions: its arrays differ in length: {_shapes(table)}")
        self._table, self._null = list(table or ()), list(unconditional or ())
        for kind, arrays in (("table", table or {}), ("null", unconditional or {})):
            for name, array in arrays.items():
                self.register_buffer(f"{kind}_{name}", array, persistent=False)

    def forward(self, label: Label, x: Float[Tensor, "m ..."]) -> dict[str, Any]:
        """Keywords of the network for noised images x."""
        if label is None:
            given = {name: self._of("null", name).expand(len(x), *self._of("null", name).shape) for name in self._null}
            if not given:
                raise DiffbenchError(
                    "the model takes embeddings, and none stands for no condition; give arguments: {unconditional:"
                    " FILE.npy} (of the empty prompt, mostly), or conditions and no guidance"
                )
        elif label.is_floating_point():
            given = self._given(label)
        else:
            given = self._chosen(label)
        return _nested(given)

    def _given(self, label: Float[Tensor, "m ..."]) -> Arrays:
        """Embeddings of the images themselves; a vector per image is one token."""
        if list(self.widths) != [TEXT]:
            needed = ", ".join(self.widths)
            raise DiffbenchError(f"the model takes {needed}; give arguments: {{conditions: FILE.npz}} with all of them")
        arrays = {TEXT: label.unsqueeze(1) if label.ndim == 2 else label}
        self._check("the conditions", arrays)
        if self._null and (null := self._of("null", TEXT)).shape != arrays[TEXT].shape[1:]:
            raise DiffbenchError(
                f"the conditions are embeddings of {tuple(arrays[TEXT].shape[1:])}, the unconditional one of"
                f" {tuple(null.shape)}; pad them as in training"
            )
        return arrays

    def _chosen(self, label: Shaped[Tensor, " m"]) -> Arrays:
        if not self._table:
            raise DiffbenchError(
                "the model takes embeddings, and the conditions are classes; give arguments: {conditions: FILE.npy}"
                " with an embedding for each class, {prompts: [...]} with a text, or conditions that are vectors"
            )
        check_numbers(label, len(self._of("table", self._table[0])), "conditions")
        return {name: self._of("table", name)[label] for name in self._table}

    def _of(self, kind: str, name: str) -> Tensor:
        return self.get_buffer(f"{kind}_{name}")

    def _check(self, what: str, arrays: Arrays) -> None:
        if set(arrays) != set(self.widths):
            raise DiffbenchError(f"{what}: holds {_named(arrays)}; the model takes {_named(self.widths)}")
        for name, array in arrays.items():
            width = self.widths[name]
            if width is not None and (array.ndim == 0 or array.shape[-1] != width):
                raise DiffbenchError(
                    f"{what}: {name} has the shape {tuple(array.shape)}; the model's last axis has {width}"
                )


def check_numbers(label: Tensor, known: int | None, what: str) -> None:
    """Refuse numbers that a network or a table does not know; on a GPU they would end the program."""
    if label.ndim != 1:
        raise DiffbenchError(f"labels have the shape {tuple(label.shape)}; one number per image is expected")
    if known is not None and len(label) and int(label.max()) >= known:
        raise DiffbenchError(f"label {int(label.max())} is asked for; there are {known} {what}, from 0")


def read_arrays(path: Path, keyword: str) -> Arrays:
    """The arrays of a .npz by their names, or that of a .npy as `keyword`."""
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        arrays = {keyword: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (OSError, ValueError, EOFError) as error:
        raise DiffbenchError(f"{path}: cannot be read as .npy or .npz: {' '.join(str(error).split())}") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise DiffbenchError(f"{path}: {name} ({array.dtype}) must hold finite numbers")
    return {
        name: torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))
        for name, array in arrays.items()
    }


def encode(folder: Path, prompts: list[str]) -> Float[Tensor, "k tokens width"]:
    """Embeddings of texts by a pipeline's tokenizer/ and text_encoder/ of CLIP, as Stable Diffusion makes them."""
    transformers = library("transformers")
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        encoder, told = transformers.CLIPTextModel.from_pretrained(
            folder / "text_encoder", local_files_only=True, output_loading_info=True
        )
    except (ImportError, OSError, ValueError, RuntimeError, TypeError) as error:
        raise DiffbenchError(f"weights: {folder}: text encoder: {' '.join(str(error).split())}") from None
    check_names(folder / "text_encoder", sorted(told["missing_keys"]), ())  # which the library fills with noise
    encoder = encoder.float().eval()
    ids = tokenizer(
        prompts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    mask = ids.attention_mask if getattr(encoder.config, "use_attention_mask", False) else None
    with torch.no_grad():
        return encoder(ids.input_ids, attention_mask=mask)[0]


def _nested(arrays: Arrays) -> dict[str, Any]:
    added = {name: array for name, array in arrays.items() if name in ADDED}
    plain = {name: array for name, array in arrays.items() if name not in ADDED}
    return plain | ({"added_cond_kwargs": added} if added else {})


def _named(arrays: dict[str, Any]) -> str:
    return ", ".join(arrays) or "no array"


def _shapes(arrays: Arrays) -> str:
    return ", ".join(f"{name} {tuple(array.shape)}" for name, array in arrays.items())
