"""Programs of torch.export (.pt2), read as data: tensors, and a list of operators on them that is walked through.

torch.export.load is not used: it unpickles sample inputs, tensors and objects that a file holds, loads its libraries,
and compiles conditions and sizes that are Python text. Here a graph may only name operators of torch.ops.aten, and
arithmetic on sizes. The format is torch/_export/serde/schema.py, version 8.
"""

import functools
import io
import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from diffbench.conventions import DiffbenchError

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = 8
DTYPES = (
    "", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
    "complex32", "complex64", "complex128", "bool", "bfloat16",
)  # fmt: skip
MEMORY_FORMATS = ("", "contiguous_format", "channels_last", "channels_last_3d", "preserve_format")
ARITHMETIC = ("add", "sub", "mul", "floordiv", "mod", "neg", "eq", "ne", "lt", "le", "gt", "ge")
FORBIDDEN = {"save", "from_file", "manual_seed"}
"""Operators of aten that touch files or random numbers."""
NO_GRADIENT = "torch.ops.higher_order.wrap_with_set_grad_enabled"
KEYWORD = 2
"""Kind of an argument that is given by its name."""

Json = dict[str, Any]


class Program:
    """A graph of one input and one output with its tensors. DiffbenchError for a file that holds something else."""

    def __init__(self, content: bytes) -> None:
        import torch

        archive = torch._C.PyTorchFileReader(io.BytesIO(content))
        names = set(archive.get_all_records())
        missing = {"models/model.json", *(f"data/{part}/model_{part}_config.json" for part in ("weights", "constants"))}
        if missing - names:
            raise DiffbenchError("not a program as torch.export.save of torch 2.9 or later writes it")
        if "byteorder" in names and archive.get_record("byteorder") != b"little":
            raise DiffbenchError("its numbers are stored with the highest byte first")
        program = json.loads(archive.get_record("models/model.json"))
        if program["schema_version"]["major"] != SCHEMA:
            raise DiffbenchError(f"of version {program['schema_version']['major']}; version {SCHEMA} is known")
        if program["guards_code"]:
            raise DiffbenchError("holds conditions on sizes as Python code; export it with a batch of Dim('batch')")
        self._graph: Json = program["graph_module"]["graph"]
        check_operators(self._graph)
        tensors = _tensors(archive, "weights") | _tensors(archive, "constants")
        self._input, self._tensors = _inputs(program["graph_module"]["signature"]["input_specs"], tensors)
        if [*map(list, program["graph_module"]["signature"]["output_specs"])] != [["user_output"]]:
            raise DiffbenchError("gives more than one result, or changes its weights; features must be one tensor")
        self._sizes = [_size(size, program["range_constraints"]) for size in self._shape()["sizes"]]

    def __call__(self, images: "Tensor") -> object:
        """Features of images."""
        import torch

        fits = len(images.shape) == len(self._sizes) and all(
            low <= length <= high for length, (low, high) in zip(images.shape, self._sizes, strict=True)
        )
        if not fits or DTYPES[self._shape()["dtype"]] != str(images.dtype).removeprefix("torch."):
            sizes = ", ".join(f"{low}" if low == high else f"{low} to {high}" for low, high in self._sizes)
            raise DiffbenchError(f"is made for {DTYPES[self._shape()['dtype']]} of sizes ({sizes})")
        with torch.inference_mode():
            (output,) = _run(self._graph, self._tensors | {self._input: images})
        return output

    def _shape(self) -> Json:
        return self._graph["tensor_values"][self._input]


def check_operators(graph: Json) -> None:
    """DiffbenchError if a graph, or one within it, names an operator that is not run."""
    for node in graph["nodes"]:
        _operator(node["target"])
        for argument in node["inputs"]:
            if "as_graph" in argument["arg"]:
                check_operators(argument["arg"]["as_graph"]["graph"])


@functools.cache
def _operator(target: str) -> Callable[..., Any]:
    import torch

    if target == NO_GRADIENT:
        return _within
    if match := re.fullmatch(r"_operator\.(\w+)", target):
        if match[1] in ARITHMETIC:
            return getattr(operator, match[1])
    elif (match := re.fullmatch(r"torch\.ops\.aten\.(\w+)\.(\w+)", target)) and match[1] not in FORBIDDEN:
        found = getattr(getattr(torch.ops.aten, match[1], None), match[2], None)
        if isinstance(found, torch._ops.OpOverload):
            return found
    raise DiffbenchError(f"uses '{target}'; only operators of torch.ops.aten on tensors are run")


def _run(graph: Json, values: dict[str, Any]) -> list[Any]:
    """The outputs of a graph, values being its inputs by name. A value is dropped after its last use."""
    last = {name: index for index, node in enumerate(graph["nodes"]) for name in _names(node["inputs"])}
    kept = set(_names(graph["outputs"]))
    for index, node in enumerate(graph["nodes"]):
        keywords = {given["name"]: _value(given["arg"], values) for given in node["inputs"] if given["kind"] == KEYWORD}
        arguments = [_value(given["arg"], values) for given in node["inputs"] if given["kind"] != KEYWORD]
        _bind(node["outputs"], _operator(node["target"])(*arguments, **keywords), values)
        del arguments, keywords
        for name in [name for name in _names(node["inputs"]) if last[name] == index and name not in kept]:
            values.pop(name, None)
    return [_value(output, values) for output in graph["outputs"]]


def _within(_: bool, graph: Json, *arguments: Any) -> Any:
    """A graph within a graph; nothing here has gradients."""
    inputs = [given["as_tensor"]["name"] for given in graph["inputs"]]
    outputs = _run(graph, dict(zip(inputs, arguments, strict=True)))
    return outputs[0] if len(outputs) == 1 else outputs


def _bind(outputs: list[Json], result: Any, values: dict[str, Any]) -> None:
    """Name what an operator gave: a value, several, or a list of tensors."""
    if len(outputs) == 1 and "as_tensors" in outputs[0]:
        outputs = [{"as_tensor": given} for given in outputs[0]["as_tensors"]]
    elif len(outputs) == 1:
        result = [result]
    for output, value in zip(outputs, result if outputs else [], strict=True):
        for name in _names(output):
            values[name] = value


def _names(part: Any) -> list[str]:
    """The names of values in arguments, those within graphs left out."""
    if isinstance(part, list):
        return [name for item in part for name in _names(item)]
    if not isinstance(part, dict) or "graph" in part:
        return []
    if "arg" in part:  # an argument of an operator, whose own name is not meant
        return _names(part["arg"])
    own = [part[key] for key in ("name", "as_name") if key in part]
    return own + [name for item in part.values() for name in _names(item)]


def _value(argument: Json, values: Mapping[str, Any]) -> Any:  # noqa: C901 - one line per kind of the format
    """An argument: `{kind: content}`."""
    import torch

    ((kind, content),) = argument.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return values[content["name"]]
        case "as_name":
            return values[content]
        case "as_tensors":
            return [values[item["name"]] for item in content]
        case "as_sym_int" | "as_sym_float" | "as_sym_bool" | "as_optional_tensor":
            return _value(content, values)
        case "as_sym_ints" | "as_sym_floats" | "as_sym_bools" | "as_optional_tensors":
            return [_value(item, values) for item in content]
        case "as_float":
            return float(content)  # infinity is text
        case "as_floats":
            return [float(item) for item in content]
        case "as_int" | "as_bool" | "as_string" | "as_ints" | "as_bools":
            return content
        case "as_scalar_type":
            return getattr(torch, DTYPES[content])
        case "as_memory_format":
            return getattr(torch, MEMORY_FORMATS[content])
        case "as_device":
            return torch.device("cpu")  # also what was exported on a GPU
        case "as_layout":
            return torch.strided
        case "as_graph":
            return content["graph"]
        case _:
            raise DiffbenchError(f"uses arguments of kind '{kind}', which are not read")


def _tensors(archive: Any, part: str) -> dict[str, "Tensor"]:
    """Weights or constants by their names in the module."""
    config = json.loads(archive.get_record(f"data/{part}/model_{part}_config.json"))["config"]
    return {name: _tensor(archive, f"data/{part}/{given['path_name']}", name, given) for name, given in config.items()}


def _tensor(archive: Any, path: str, name: str, given: Json) -> "Tensor":
    import torch

    meta = given["tensor_meta"]
    if given["use_pickle"] or meta is None:
        raise DiffbenchError(f"'{name}' is stored as a Python object, which is not read; only plain tensors are")
    dtype = getattr(torch, DTYPES[meta["dtype"]])
    sizes, strides = ([size["as_int"] for size in meta[key]] for key in ("sizes", "strides"))
    raw = bytearray(archive.get_record(path))
    if not raw:
        return torch.zeros(sizes, dtype=dtype)
    stored = torch.frombuffer(raw, dtype=dtype)
    tensor = stored.as_strided(sizes, strides, meta["storage_offset"]["as_int"])
    # A parameter, since operators choose their order of sums by that too: as torch's reader, to the last bit.
    return torch.nn.Parameter(tensor, meta["requires_grad"]) if given["is_param"] else tensor


def _inputs(specs: list[Json], tensors: Mapping[str, "Tensor"]) -> tuple[str, dict[str, Any]]:
    """The name of the images in the graph, and the tensors that go with it by theirs."""
    images, known = [], {}
    for spec in specs:
        ((kind, given),) = spec.items()
        if kind == "user_input":
            images.append(given["arg"]["as_tensor"]["name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            known[given["arg"]["name"]] = tensors[given[f"{kind}_name"]]
        else:
            raise DiffbenchError(f"takes an input of kind '{kind}', which is not read")
    if len(images) != 1:
        raise DiffbenchError(f"takes {len(images)} inputs; it must take one, images")
    return images[0], known


def _size(size: Json, ranges: Mapping[str, Json]) -> tuple[float, float]:
    """Least and largest length of an axis."""
    if "as_int" in size:
        return size["as_int"], size["as_int"]
    symbol = re.fullmatch(r"Symbol\('(\w+)'.*\)|(\w+)", size["as_expr"]["expr_str"])
    name = (symbol[1] or symbol[2]) if symbol else ""
    if name not in ranges:
        raise DiffbenchError("takes a size that depends on others")
    low, high = ranges[name]["min_val"], ranges[name]["max_val"]
    # torch.export writes 2 where it has not tried 1, and does not mean it (_get_input_guards_for_graph).
    return (low if low is not None and low > 2 else 0), (math.inf if high is None else high)
