"""Files with code in them, which leave a mark if it runs."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from diffbench.conventions import DiffbenchError
from diffbench.files.sealed import seal


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (self.mark,))


class Rows(nn.Module):
    """An encoder with a weight and a constant: (m, 1, h, w) to (m, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.shift = torch.tensor(2.0)

    def forward(self, x):
        return x.mean(dim=2).flatten(1) * self.weight + self.shift


def sealed(path: Path) -> None:
    """Give a file the seal of a result, so that a reader sees what is in it."""
    with path.open("r+b") as file:
        seal(file)


def refused(mark: Path, act: Callable[[], object], message: str | None = None) -> None:
    """One line, and no mark."""
    with pytest.raises(DiffbenchError, match=message) as caught:
        act()
    assert not mark.exists()
    assert "\n" not in str(caught.value)


def torch_pickle(payload: Any) -> bytes:
    """What torch.save writes of it."""
    stream = io.BytesIO()
    torch.save(payload, stream)
    return stream.getvalue()


def changed(content: bytes, change: Callable[[str, bytes], bytes], extra: dict[str, bytes] | None = None) -> bytes:
    """A zip archive with its members (names without the first folder) changed, and others added."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        top = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            new.writestr(name, change(name.partition("/")[2], old.read(name)))
        for name, added in (extra or {}).items():
            new.writestr(f"{top}/{name}", added)
    return stream.getvalue()


def exported(network: nn.Module, shape: tuple[int, ...] = (2, 1, 8, 8)) -> bytes:
    """The .pt2 file of a network."""
    stream = io.BytesIO()
    batch = {"x": {0: torch.export.Dim("batch")}}
    torch.export.save(torch.export.export(network.eval(), (torch.zeros(shape),), dynamic_shapes=batch), stream)
    return stream.getvalue()


def scripted(network: nn.Module) -> bytes:
    """The TorchScript file of a network."""
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(network), stream)
    return stream.getvalue()


def hostile_programs(mark: Path) -> dict[str, bytes]:
    """Programs of torch.export that run code, or would, where torch.export.load reads them."""
    content, payload = exported(Rows()), torch_pickle(Payload(mark))

    def edited(edit: Callable[[Any], None], extra: dict[str, bytes] | None = None, where: str = "models/") -> bytes:
        def change(name: str, old: bytes) -> bytes:
            if not (name.startswith(where) and name.endswith(".json")):
                return old
            known = json.loads(old)
            edit(known)
            return json.dumps(known).encode()

        return changed(content, change, extra)

    def graph(known: Any) -> Any:
        return known["graph_module"]["graph"]

    python = f"__import__('os').mkdir('{mark}')"

    def pickled_weight(config: Any) -> None:
        config["config"]["weight"] |= {"use_pickle": True, "path_name": "evil"}

    def object_constant(kind: str) -> Callable[[Any], None]:
        return lambda config: config["config"]["shift"].update(path_name=kind, use_pickle=True, tensor_meta=None)

    def target(name: str) -> Callable[[Any], None]:
        def edit(known: Any) -> None:
            text = {"name": "", "arg": {"as_string": str(mark)}, "kind": 1}
            graph(known)["nodes"].insert(0, {"target": name, "inputs": [text], "outputs": [], "metadata": {}})

        return edit

    def size(known: Any) -> None:
        graph(known)["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = python

    spec = json.dumps([1, {"type": None, "context": python, "children_spec": []}])
    return {
        "sample inputs": changed(content, lambda n, old: payload if n.startswith("data/sample_inputs/") else old),
        "pickled weight": edited(pickled_weight, {"data/weights/evil": payload}, "data/weights/"),
        "pickled constant": edited(
            object_constant("tensor_evil"), {"data/constants/tensor_evil": payload}, "data/constants/"
        ),
        "opaque constant": edited(
            object_constant("opaque_obj_0"),
            {"data/constants/opaque_obj_0": pickle.dumps(Payload(mark))},
            "data/constants/",
        ),
        "custom constant": edited(
            object_constant("custom_obj_0"), {"data/constants/custom_obj_0": payload}, "data/constants/"
        ),
        "legacy weights": changed(content, lambda n, old: old, {"data/weights/model.pt": payload}),
        "legacy constants": changed(content, lambda n, old: old, {"data/constants/model.pt": payload}),
        "library": changed(content, lambda n, old: old, {"data/aotinductor/model/model.so": b"\x7fELF"}),
        "guards": edited(lambda known: known["guards_code"].append(f"{python} is None")),
        "size": edited(size),
        "tree": edited(lambda known: known["graph_module"]["module_call_graph"][0]["signature"].update(out_spec=spec)),
        "os.mkdir": edited(target("torch.os.mkdir")),
        "aten.from_file": edited(target("torch.ops.aten.from_file.default")),
        "aten.save": edited(target("torch.ops.aten.save.default")),
        "load_library": edited(target("torch.ops.load_library")),
        "debugprims": edited(target("torch.ops.debugprims.load_tensor.default")),
        "attrgetter": edited(target("_operator.attrgetter")),
        "class": edited(target("torch.ops.aten.__class__.mro")),
    }


def hostile_scripts(mark: Path) -> dict[str, bytes]:
    """TorchScript that writes a file, or would, while it is loaded or run."""
    content = scripted(Rows())
    write = f'torch.from_file("{mark}", True, 10)'

    def edited(old: str, new: str) -> bytes:
        def change(name: str, text: bytes) -> bytes:
            assert not name.endswith("torch__.py") or old in text.decode()
            return text.decode().replace(old, new).encode() if name.endswith(".py") else text

        return changed(content, change)

    def body(statement: str) -> bytes:
        return edited("    return ", f"    {statement}\n    return ")

    call = f'(x, "{mark}")'
    return {
        "pickle": changed(content, lambda n, old: pickle.dumps(Payload(mark), 2) if n == "data.pkl" else old),
        "constants": changed(
            content, lambda n, old: pickle.dumps((Payload(mark),), 2) if n == "constants.pkl" else old
        ),
        "extra pickle": changed(content, lambda n, old: old, {"extra/evil.pkl": pickle.dumps(Payload(mark))}),
        "default value": edited("x: Tensor)", f"x: Tensor,\n    y: Tensor={write})"),
        "class constant": edited("  training : bool", f"  training : bool\n  k : Final[int] = torch.len({write})"),
        "save": body(f"_9 = torch.save{call}"),
        "from_file": body(f"_9 = {write}"),
        "octal name": body(f'_9 = getattr(torch, "sav\\145"){call}'),
        "plain name": body(f'_9 = getattr(torch, "save"){call}'),
        "alias": body(f"_8 = torch\n    _9 = _8.save{call}"),
        "namespace": body(f"_9 = ops.aten.save{call}"),
        "comment": body(f"_9 = (ops. # a\n aten. # b\n save){call}"),
        "other namespace": body("_9 = ops.profiler._record_function_enter_new('a')"),
        "hidden namespace": body("_9 = (ops . # a\n profiler._record_function_enter_new)('a')"),
        "c++ class": body("_9 = __torch__.torch.classes.profiler._RecordFunction"),
        "__setstate__": edited(
            "  def forward",
            f"  def __setstate__(self, state: bool) -> NoneType:\n    _9 = {write}\n    return None\n  def forward",
        ),
        "twice": changed(content, lambda n, old: old, {"CODE/__torch__.py": f"x = {write}".encode()}),
        "other container": b"\0\0\0\0PTMF" + content,
    }
