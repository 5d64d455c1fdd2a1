"""The networks of diffusers that are understood, each called with the arguments that its class asks for."""

from typing import Any

from torch import Tensor, nn

from diffbench.adapters.conditions import TEXT, ClassConditions, Label
from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float

CLASSES = ("UNet2DModel", "DiTTransformer2DModel")
"""Networks without conditions, or with classes."""
ARRAYS = ("UNet2DConditionModel", "PixArtTransformer2DModel", "SD3Transformer2DModel")
"""Networks with arrays per image."""
LEGACY = "Transformer2DModel"
"""What older versions of diffusers called a DiT or a PixArt; its from_pretrained returns the class of today."""
ADDITIONS: dict[str | None, tuple[str, ...]] = {None: (), "text": (), "text_time": ("text_embeds", "time_ids")}
"""Further conditions of a UNet2DConditionModel by its addition_embed_type; the last one is Stable Diffusion XL's."""


class DiffusersNetwork(nn.Module):
    """network(x_t, t, label) of a model of diffusers, without the variance that some learn in further channels.

    conditions: module that turns a label into the model's keywords. latent: whether its images are a VAE's latents.
    """

    def __init__(self, model: nn.Module, conditions: nn.Module, latent: bool = False) -> None:
        super().__init__()
        config: Any = model.config
        self.model = model
        self.conditions = conditions
        self.latent = latent
        self.channels = int(config.in_channels)
        size = config.sample_size
        self.sides = (size, size) if isinstance(size, int) else tuple(size or ())
        self.in_a_table = config.get("time_embedding_type") == "learned"
        made = int(config.get("out_channels") or self.channels)
        if made not in (self.channels, 2 * self.channels):
            raise DiffbenchError(
                f"the model takes {self.channels} channels and returns {made}, so it needs more than a noised image"
            )

    def forward(
        self, x: Float[Tensor, "m channels h w"], time: Float[Tensor, " m"], label: Label
    ) -> Float[Tensor, "m channels h w"]:
        """What the model predicts; one of twice the channels predicts its variance in the second half."""
        self._check(tuple(x.shape[1:]))
        if self.in_a_table:
            time = time.round().long()
        keywords = self.conditions(label, x)
        return self.model(x, timestep=time, **keywords).sample[:, : self.channels]

    def _check(self, shape: tuple[int, ...]) -> None:
        """Refuse images of another shape: many networks would take them, and see nothing that they know."""
        kind, sides = "latents" if self.latent else "images", shape[1:]
        if shape[0] != self.channels:
            remedy = "; give latents as its VAE makes them, (n, C, H, W)" if self.latent else ""
            raise DiffbenchError(f"the model is made for {kind} of {self.channels} channels, not {shape[0]}{remedy}")
        if self.sides and sides != self.sides:
            theirs, given = ("x".join(map(str, each)) for each in (self.sides, sides))
            remedy = "" if self.latent else ", or data.resize"
            raise DiffbenchError(f"the model is made for {kind} of {theirs}, not {given}; give its own{remedy}")


def has_classes(model: nn.Module) -> bool:
    """Whether a UNet2DModel or a DiT is conditional."""
    config: Any = model.config
    return "num_embeds_ada_norm" in config or bool(config.get("class_embed_type") or config.get("num_class_embeds"))


def class_conditions(model: nn.Module, null_label: int | None) -> ClassConditions:
    """Conditions of a UNet2DModel or of a DiT, which has a null class after its last class by itself."""
    config: Any = model.config
    if config.get("class_embed_type"):
        raise DiffbenchError(f"class_embed_type '{config.class_embed_type}' is not understood")
    if "num_embeds_ada_norm" in config:
        classes = int(config.num_embeds_ada_norm)
        return ClassConditions(classes + 1, classes if null_label is None else null_label)
    return ClassConditions(int(config.num_class_embeds), null_label)


def array_widths(model: nn.Module) -> dict[str, int | None]:
    """Keywords of a network with conditions per image, and the width of each. DiffbenchError for unknown ones."""
    config: Any = model.config
    match type(model).__name__:
        case "SD3Transformer2DModel":
            return {TEXT: config.joint_attention_dim, "pooled_projections": config.pooled_projection_dim}
        case "PixArtTransformer2DModel":
            sizes = ("resolution", "aspect_ratio") if model.use_additional_conditions else ()
            return {TEXT: config.caption_channels} | dict.fromkeys(("encoder_attention_mask", *sizes))
    addition = config.addition_embed_type
    if addition not in ADDITIONS or config.encoder_hid_dim_type not in (None, "text_proj"):
        raise DiffbenchError(f"its conditions ({addition or config.encoder_hid_dim_type}) are not understood")
    if config.class_embed_type or config.num_class_embeds:
        raise DiffbenchError("classes beside embeddings are not understood")
    width = config.encoder_hid_dim or config.cross_attention_dim
    return {TEXT: width if isinstance(width, int) else None} | dict.fromkeys(ADDITIONS[addition])
