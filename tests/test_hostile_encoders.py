"""Encoders run operators on tensors and nothing else, whatever their files hold; their results are those of torch."""

import io
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import read_images
from diffbench.measures.features.encoder import Encoder, read_encoder
from diffbench.measures.features.program import Program
from diffbench.measures.features.torchscript import check_code, load_torchscript
from diffbench.stages import data as data_stage
from diffbench.stages import features as features_stage
from diffbench.study.specs import DataSpec, FeaturesSpec
from tests.hostile import (
    Payload,
    Rows,
    exported,
    hostile_programs,
    hostile_scripts,
    refused,
    scripted,
    sealed,
    torch_pickle,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*Duplicate name:UserWarning")
PROGRAMS, SCRIPTS = (list(make(Path("mark"))) for make in (hostile_programs, hostile_scripts))
HARMLESS = {"sample inputs", "legacy weights", "legacy constants", "library", "tree", "extra pickle"}
"""Never looked at; what else the file holds is a sound encoder."""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


def test_the_payloads_work_where_files_are_trusted(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logging.Logger.handle", lambda *_: None)  # torch warns with a text that cannot be formatted
    for act in (
        lambda: pickle.loads(pickle.dumps(Payload(mark))),
        lambda: torch.load(io.BytesIO(torch_pickle(Payload(mark))), weights_only=False),
        lambda: torch.export.load(io.BytesIO(hostile_programs(mark)["sample inputs"])),
        lambda: torch.export.load(io.BytesIO(hostile_programs(mark)["pickled weight"])),
        lambda: torch.export.load(io.BytesIO(hostile_programs(mark)["opaque constant"])),
    ):
        with suppress(Exception):  # afterwards, where another type was expected
            act()
        mark.rmdir()
    torch.jit.load(io.BytesIO(hostile_scripts(mark)["default value"]))
    mark.unlink()
    torch.jit.load(io.BytesIO(hostile_scripts(mark)["octal name"]))(torch.zeros(2, 1, 8, 8))
    assert mark.exists()


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_runs_tensor_operators_alone(kind: str, mark: Path, tmp_path: Path) -> None:
    check_encoder(hostile_programs(mark)[kind], kind, "evil.pt2", mark, tmp_path)


@pytest.mark.parametrize("kind", SCRIPTS)
def test_torchscript_runs_tensor_operators_alone(kind: str, mark: Path, tmp_path: Path) -> None:
    check_encoder(hostile_scripts(mark)[kind], kind, "evil.pt", mark, tmp_path)


def check_encoder(content: bytes, kind: str, name: str, mark: Path, folder: Path) -> None:
    """Of a file, and of the same bytes in a results file."""
    (folder / name).write_bytes(content)
    space = Encoder(name, np.frombuffer(content, np.uint8), (1, 8, 8), Scaling(0.0, 1.0))
    for act in (
        lambda: read_encoder(folder / name, (1, 8, 8), Scaling(0.0, 1.0)),
        lambda: space.transform(np.zeros((3, 64), np.float32)),
    ):
        if kind in HARMLESS:
            act()
            assert not mark.exists()
        else:
            refused(mark, act, f"^{name}: ")


@pytest.mark.parametrize("kind", [*PROGRAMS, *SCRIPTS])
def test_a_results_file_with_such_an_encoder_runs_nothing(kind: str, mark: Path, tmp_path: Path) -> None:
    data_stage.run(DataSpec(validation=200), tmp_path / "data.h5")
    name, make = ("rows.pt2", hostile_programs) if kind in PROGRAMS else ("rows.pt", hostile_scripts)
    (tmp_path / name).write_bytes(exported(Rows()) if kind in PROGRAMS else scripted(Rows()))
    quality = FeaturesSpec(space="encoder", encoder=str(tmp_path / name))
    features_stage.run(quality, tmp_path / "data.h5", tmp_path / "features.h5")
    evil = np.frombuffer(make(mark)[kind], np.uint8)
    with h5py.File(tmp_path / "features.h5", "r+") as file:
        del file["encoder"]
        file["encoder"] = evil
    sealed(tmp_path / "features.h5")
    some = read_images(tmp_path / "data.h5", 50)
    with suppress(DiffbenchError):
        features_stage.read_reference(tmp_path / "features.h5", tmp_path / "data.h5", some)
    assert not mark.exists()


NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "convolutions": lambda: torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.BatchNorm2d(6), torch.nn.SiLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 8, 3, stride=2), torch.nn.GroupNorm(2, 8), torch.nn.GELU(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(8, 5),
    ),
    "attention": lambda: torch.nn.Sequential(
        torch.nn.Flatten(2), torch.nn.Linear(64, 16),
        torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), torch.nn.Flatten(), torch.nn.Dropout(0.5),
    ),
    "parts": lambda: Parts(),
}  # fmt: skip


class Parts(torch.nn.Module):
    """Lists of tensors, several results, indices, constants, other types, a part without gradients, a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale: torch.Tensor
        self.register_buffer("scale", torch.arange(1.0, 65), persistent=False)
        self.inner = torch.nn.Linear(64, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(x.shape[0], -1) * self.scale
        left, right = flat.chunk(2, 1)
        best = torch.max(flat, 1)
        chosen = flat[:, torch.tensor([0, 5])].clone()
        chosen[:, 0] = best.values
        with torch.no_grad():
            inner = self.inner(flat)
        small = torch.nn.functional.interpolate(x, size=(3, 3), mode="bilinear").flatten(1)
        none = torch.zeros(x.shape[0], 1).to(torch.float64).float()
        return torch.cat([left * right, chosen, inner, small, none, best.indices[:, None].float()], 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_program_computes_what_torchs_own_reader_makes_of_it_to_the_last_bit(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    if isinstance(network, torch.nn.Sequential):
        network = Named(network)
    content = exported(network)
    program, theirs = Program(content), torch.export.load(io.BytesIO(content)).module()
    for count in (1, 2, 5, 128, 129):
        x = torch.randn(count, 1, 8, 8)
        with torch.inference_mode():
            assert torch.equal(torch.as_tensor(program(x)), theirs(x)), count
            assert torch.allclose(torch.as_tensor(program(x)), network(x), atol=1e-5)


class Named(torch.nn.Module):
    """A network whose images are called x."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def test_a_network_that_reuses_its_memory_gives_each_batch_its_own_features(tmp_path: Path) -> None:
    class Reusing(torch.nn.Module):
        """Features in a buffer of the network."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("memory", torch.zeros(128, 64))

        def forward(self, x):
            return self.memory.copy_(x.flatten(1))  # pyright: ignore[reportCallIssue]

    (tmp_path / "reusing.pt").write_bytes(scripted(Reusing()))
    content = np.frombuffer((tmp_path / "reusing.pt").read_bytes(), np.uint8)
    encoder = Encoder("reusing.pt", content, (1, 8, 8), Scaling(0.0, 1.0))
    flat = np.random.default_rng(0).normal(size=(256, 64)).astype(np.float32)
    np.testing.assert_array_equal(encoder.transform(flat), flat)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_spelling_of_what_is_forbidden_gets_through(data: st.DataObject) -> None:
    gap = st.lists(st.sampled_from([" ", "\n", "\t", "# comment\n", "\\\n"]), max_size=3).map("".join)
    name = data.draw(st.sampled_from(["save", "from_file", "manual_seed"]))
    space = data.draw(st.sampled_from(["torch", "ops.aten", "(x)", "_0"]))
    octal = "".join(f"\\{ord(c):03o}" if data.draw(st.booleans()) else c for c in name)
    code = data.draw(st.sampled_from([
        f"_1 = {space}{data.draw(gap)}.{data.draw(gap)}{name}(x)",
        f"_1 = ops{data.draw(gap)}.{data.draw(gap)}profiler.enter(x)",
        f'_1 = getattr({data.draw(gap)}torch, "{octal}")(x)',
        f"_1 = __torch__.torch{data.draw(gap)}.{data.draw(gap)}classes.c10d.Store()",
    ]))  # fmt: skip
    with pytest.raises(DiffbenchError):
        check_code(f"def forward(self, x: Tensor) -> Tensor:\n  {code}\n  return x\n")


@pytest.mark.parametrize("name", NETWORKS)
def test_usual_torchscript_is_read(name: str) -> None:
    network = NETWORKS[name]().eval()
    x = torch.randn(3, 1, 8, 8)
    for content in (scripted(network), traced(network, x)):
        with torch.inference_mode():
            assert torch.allclose(torch.as_tensor(load_torchscript(content)(x)), network(x), atol=1e-5)


def traced(network: torch.nn.Module, x: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.trace(network, x, check_trace=False), stream)
    return stream.getvalue()
