"""What all settings share: strict records, and the kinds of numbers and names that they hold."""

import hashlib
import json
from typing import Annotated, Any, Self
from unicodedata import category

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from diffbench.conventions import SCHEMA_VERSION, DiffbenchError


class Strict(BaseModel):
    """A frozen record that refuses unknown keys and wrong types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell it from other records, and from those of other schemas: by BLAKE2."""
        text = f"{SCHEMA_VERSION} {type(self).__name__} {self.model_dump_json()}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def parse(cls, raw: Any, origin: str) -> Self:
        """Validate plain YAML or JSON values, or raise a DiffbenchError that names `origin` and every bad key."""
        try:
            text = json.dumps(raw)
        except TypeError as error:
            raise DiffbenchError(f"{origin}: not plain YAML: {error}") from None
        return cls.parse_json(text, origin)

    @classmethod
    def parse_json(cls, text: str, origin: str) -> Self:
        """Validate JSON text as `parse` does values."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise DiffbenchError("; ".join(f"{origin}: {_explain(detail)}" for detail in error.errors())) from None


class Imported(Strict):
    """What a Python function makes, which the key `import` names: its field `factory`."""

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """With the keys of a study file, so that what is written can be read again."""
        return {"import" if name == "factory" else name: value for name, value in handler(self).items()}


def _explain(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "(top level)"
    if detail["type"] == "extra_forbidden":
        return f"key '{key}' is unknown: check its spelling against config/README.md"
    message = detail["msg"].removeprefix("Value error, ")
    return f"key '{key}': {message[0].lower()}{message[1:]} (got {detail['input']!r})"


MOST = 1_000_000_000
"""Of whatever is counted: beyond, a study is a slip of the pen, to be told when it is read."""

Count = Annotated[int, Field(ge=1, le=MOST)]
Size = Annotated[int, Field(ge=1, le=65_536)]
"""Of a part of a network, or of a grid: what is allocated many times over."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
ImportName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]
"""package.module:function"""
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)]


def _one_line(text: str) -> str:
    if not text.strip() or any(category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError("give a line of text, without tabs or line breaks")
    return text.strip()


Title = Annotated[str, Field(max_length=120), AfterValidator(_one_line)]
"""What people read: any characters."""
