"""TorchScript files, read only if their code computes and does nothing else.

torch.jit.load builds modules from data and a pickle that knows no Python objects, but the file's code is run: its
`__setstate__` and default values on loading, the rest when images are encoded. TorchScript's operators of its own
namespaces, aten and prim, work on tensors, except for those named here.
"""

import io
import re
from collections.abc import Callable

from diffbench.conventions import DiffbenchError

GAP = r"(?:\s|\\|#[^\n]*\n)*"
"""What may stand between two names: spaces, line ends and comments."""
FORBIDDEN = re.compile(
    # They touch files, other processes, Python or random numbers, run on loading, or reach classes written in C++.
    r"\b(?:save|from_file|rpc_\w+|\w*PythonOp|manual_seed|__setstate__|classes)\b"
    rf"|(?<![\w.])ops\b(?!{GAP}\.{GAP}(?:aten|prim)\b)[\w.]*"  # operators of other namespaces
    r'|\bgetattr\b(?!\(\w+, "[^"\\]*"\))',  # in a name that it spells with escapes, any of the above could hide
    re.ASCII,
)


def load_torchscript(content: bytes) -> Callable[..., object]:
    """The module in the bytes of a file, on the CPU, in evaluation mode. DiffbenchError for code that is refused."""
    import torch

    if not content.startswith(b"PK\3\4"):  # torch.jit.load also knows older containers
        raise ValueError("not a zip archive")
    archive = torch._C.PyTorchFileReader(io.BytesIO(content))  # which torch.jit.load reads it by
    names = archive.get_all_records()
    if len({name.lower() for name in names}) < len(names) or "model.json" in names:
        raise DiffbenchError("has files twice, or is of a format before torch 1.4")
    for name in names:
        if name.lower().endswith(".py"):
            check_code(archive.get_record(name).decode("latin-1"))
        elif name.endswith(".pkl") and b"torch.classes" in archive.get_record(name):
            raise DiffbenchError("holds an object of a C++ class (torch.classes), which is not read")
    return torch.jit.load(io.BytesIO(content), map_location="cpu").eval()


def check_code(text: str) -> None:
    """DiffbenchError if the text of a TorchScript file names what is not run."""
    if match := FORBIDDEN.search(text):
        raise DiffbenchError(f"its code holds '{match[0]}'; only operators on tensors are run")
