"""Sets of images as data sets of a study: what is known of them before they are read, and how they are split."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Literal

from diffbench.data.account import BEYOND_VALIDATION, FOR_BALANCE, Account, as_attribute, line, numbered
from diffbench.data.held_out import check_alike, given_split, renumbered
from diffbench.data.raw_images import Contents, Facts, RawImages, mistake, without_duplicates
from diffbench.data.resize import check_side, reduced
from diffbench.data.subsets import Split, split
from diffbench.data.vectors import check_vectors_alike, load_vectors, vector_shape
from diffbench.settings.data import DataSettings

Key = Literal["path", "held_out"]
"""Which key of the data section says where the images lie."""


class ImageSource(ABC):
    """A set of images: a part of it is held out, or, where it takes the key held_out, another set of the kind is."""

    keys: tuple[str, ...]
    """The optional keys of the data section that it takes."""

    @abstractmethod
    def contents(self, spec: DataSettings, key: Key) -> Contents:
        """What lies at spec.path, or at spec.held_out. DiffbenchError names the key."""

    @abstractmethod
    def load(self, spec: DataSettings, key: Key) -> RawImages:
        """The images that lie there. DiffbenchError names the key."""

    def facts(self, spec: DataSettings) -> Facts:
        """What a study can be checked against."""
        own = self.contents(spec, "path")
        shape = own.shape
        if spec.resize is not None:
            check_side(shape, spec.resize)
            shape = (shape[0], spec.resize, spec.resize)
        conditions = vector_shape(spec, "path", own.count)
        if spec.held_out is not None:
            other = self._check_held_out(spec, own)
            check_vectors_alike(vector_shape(spec, "held_out", other.count), conditions)
            return Facts(own.count, len(own.class_names), shape, conditions, other.count)
        if spec.held_out_conditions is not None:
            raise mistake("held_out_conditions", "goes with the key held_out; leave it out")
        pool = own.balanced - spec.validation
        if pool < 2:
            raise mistake(
                "validation",
                f"{spec.validation} leaves no training pool among {own.balanced} class-balanced images of"
                f" '{spec.name}'",
            )
        return Facts(pool, len(own.class_names), shape, conditions)

    def split(self, spec: DataSettings) -> Split:
        """The images, read and split."""
        own = self.contents(spec, "path")
        raw = self._images(spec, "path")
        if spec.held_out is None:
            distinct = without_duplicates(raw)
            parts = split(distinct, spec.validation, spec.split_seed)
            used = len(parts.pool.images) + spec.validation
            sets = {"path": Account.of(len(raw.images), raw.left_out, used, FOR_BALANCE, len(distinct.images))}
            return replace(parts, class_names=own.class_names, sets=sets)
        other = self._check_held_out(spec, own)
        held_out = renumbered(self._images(spec, "held_out"), other.class_names, own.class_names)
        parts = given_split(raw, held_out, spec.validation, spec.split_seed)
        return replace(parts, class_names=own.class_names)

    def outlook(self, spec: DataSettings) -> list[str]:
        """How many images are read and used, before repeated ones are known, and the numbers of named classes."""
        own = self.contents(spec, "path")
        if spec.held_out is None:
            sets = {"path": Account.of(own.count, own.left_out, own.balanced, FOR_BALANCE)}
        else:
            other = self._check_held_out(spec, own)
            used = min(other.count, spec.validation)
            sets = {
                "path": Account.of(own.count, own.left_out, own.count, ""),
                "held_out": Account.of(other.count, other.left_out, used, BEYOND_VALIDATION),
            }
        lines = [f"images: {line(as_attribute(sets))}"]
        if own.class_names:
            lines.append(f"classes: {numbered(own.class_names)}")
        if shape := vector_shape(spec, "path", own.count):
            lines.append(f"conditions: one vector of {'x'.join(map(str, shape))} numbers per image")
        return lines

    def _check_held_out(self, spec: DataSettings, own: Contents) -> Contents:
        """What the held-out set holds, if its images are like those of the pool."""
        other = self.contents(spec, "held_out")
        check_alike(other, own)
        return other

    def _images(self, spec: DataSettings, key: Key) -> RawImages:
        raw = self.load(spec, key)
        raw = replace(raw, conditions=load_vectors(spec, key, len(raw.images)))
        return raw if spec.resize is None else replace(raw, images=reduced(raw.images, spec.resize))
