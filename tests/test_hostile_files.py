"""No file that the suite reads as data runs code: payloads in every kind of them, each proven to work elsewhere."""

import gzip
import io
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diffbench.conventions import DiffbenchError
from diffbench.data.formats import cifar
from diffbench.data.formats import folder as images
from diffbench.data.formats.arrays import load, opened
from diffbench.data.image_set import read_image_set
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import read_images
from diffbench.files.checkpoint import read_checkpoint
from diffbench.files.store import read
from diffbench.measures.features.encoder import Encoder, read_encoder
from diffbench.measures.features.program import Program
from diffbench.measures.features.torchscript import check_code, load_torchscript
from diffbench.settings.data import DataSettings
from diffbench.settings.measures import QualitySettings
from diffbench.stages import data as data_stage
from diffbench.stages import features as features_stage
from diffbench.study.file import load_study
from tests.data_formats import write_cifar
from tests.hostile import Payload, Rows, exported, hostile_programs, hostile_scripts, scripted, torch_pickle

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*Duplicate name:UserWarning")
PROGRAMS, SCRIPTS = (list(make(Path("mark"))) for make in (hostile_programs, hostile_scripts))
HARMLESS = {"sample inputs", "legacy weights", "legacy constants", "library", "tree", "extra pickle"}
"""Never looked at; what else the file holds is a sound encoder."""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


def refused(mark: Path, act: Callable[[], object], message: str | None = None) -> None:
    """One line, and no mark."""
    with pytest.raises(DiffbenchError, match=message) as caught:
        act()
    assert not mark.exists()
    assert "\n" not in str(caught.value)


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
    data_stage.run(DataSettings(validation=200), tmp_path / "data.h5")
    name, make = ("rows.pt2", hostile_programs) if kind in PROGRAMS else ("rows.pt", hostile_scripts)
    (tmp_path / name).write_bytes(exported(Rows()) if kind in PROGRAMS else scripted(Rows()))
    quality = QualitySettings(space="encoder", encoder=str(tmp_path / name))
    features_stage.run(quality, tmp_path / "data.h5", tmp_path / "features.h5")
    evil = np.frombuffer(make(mark)[kind], np.uint8)
    with h5py.File(tmp_path / "features.h5", "r+") as file:
        del file["encoder"]
        file["encoder"] = evil
    some = read_images(tmp_path / "data.h5", 50)
    with suppress(DiffbenchError):  # the digest of the content, or the encoder
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


def write_npy(path: Path, mark: Path) -> None:
    np.save(path, np.array([[Payload(mark)] * 3], object), allow_pickle=True)


def write_npz(path: Path, mark: Path) -> None:
    np.savez(path, images=np.zeros((4, 8, 8), np.uint8), evil=np.array([Payload(mark)] * 4, object))


def write_bare_pickle(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(mark)))


@pytest.mark.parametrize("write", [write_npy, write_npz, write_bare_pickle])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_arrays_are_not_unpickled(write: Any, suffix: str, mark: Path, tmp_path: Path) -> None:
    write(tmp_path / "made", mark)
    made = next(path for path in tmp_path.glob("made*"))
    path = made.rename(tmp_path / f"evil{suffix}")
    for act in (
        *(lambda name=name: load(path, name, None) for name in (None, "images", "evil")),
        lambda: load(path, "images", "evil"),
        lambda: read_image_set("samples", str(path)),
        lambda: read_image_set("samples", f"{path}:evil"),
    ):
        with suppress(DiffbenchError):  # the .npz also holds a sound array
            act()
        assert not mark.exists()
    refused(mark, lambda: load(path, "evil" if suffix == ".npz" else None, None))


def test_objects_in_hdf5_are_bytes(mark: Path, tmp_path: Path) -> None:
    evil = pickle.dumps(Payload(mark))
    with h5py.File(tmp_path / "evil.h5", "w") as file:
        file["images"] = np.zeros((4, 8, 8), np.uint8)
        file["opaque"] = np.array([np.void(evil)] * 4)
        file["text"] = np.array([evil.hex()] * 4, h5py.string_dtype())
        file.create_dataset("reference", data=[file["images"].ref] * 4, dtype=h5py.ref_dtype)
        file.create_dataset("ragged", (4,), dtype=h5py.vlen_dtype(np.uint8))[0] = np.frombuffer(evil, np.uint8)
        file.attrs["pickle"] = np.void(evil)
        file.attrs["json"] = '{"py/object": "os.mkdir"}'
    assert load(tmp_path / "evil.h5", "images", "text").images.shape == (4, 1, 8, 8)
    for name in ("opaque", "reference", "ragged"):
        refused(mark, lambda name=name: load(tmp_path / "evil.h5", name, None))
        refused(mark, lambda name=name: load(tmp_path / "evil.h5", "images", name))
    with opened(tmp_path / "evil.h5") as arrays:
        assert set(arrays) >= {"images", "opaque"}
    refused(mark, lambda: read(tmp_path / "evil.h5", "data"))


@pytest.mark.parametrize("member", ["whole", "weights", "optimizer", "settings"])
def test_a_checkpoint_or_side_file_is_not_unpickled(member: str, mark: Path, tmp_path: Path) -> None:
    state: Any = {"step": 1, "settings": "{}", "weights": {}, "ema": {}, "optimizer": {}} | {member: Payload(mark)}
    for name in ("checkpoint.pt", ".checkpoint.pt.partial"):
        torch.save(Payload(mark) if member == "whole" else state, tmp_path / name)
        refused(mark, lambda name=name: read_checkpoint(tmp_path / name), name)


@pytest.mark.parametrize("tag", ["python/object/apply:os.mkdir", "python/object/new:os.mkdir", "python/name:os.mkdir"])
def test_a_study_makes_no_objects(tag: str, mark: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text(f"name: t\nsteps: !!{tag} ['{mark}']\n")
    refused(mark, lambda: load_study(tmp_path / "evil.yaml"), "evil.yaml")


def test_images_are_read_by_the_formats_that_are_listed_and_start_no_program(tmp_path: Path, monkeypatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr("subprocess.Popen", lambda *a, **k: started.append(a))
    monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: True)
    head = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(mark) (w) file\n%%EOF\n"
    (tmp_path / "evil.png").write_bytes(head)
    with pytest.raises(DiffbenchError, match=r"evil\.png: not a whole image file"):
        images.read(tmp_path / "evil.png")
    assert not started
    Image.new("L", (8, 8)).save(tmp_path / "fine.png")
    assert images.read(tmp_path / "fine.png").shape == (1, 8, 8)


def test_an_archive_writes_nothing_wherever_its_members_point(tmp_path: Path) -> None:
    layout = cifar.CIFAR10
    write_cifar(tmp_path / "set", layout, per_file=10)
    archive = tmp_path / "in" / "evil.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted((tmp_path / "set").iterdir()):
            tar.add(path, f"../../outside/{path.name}")
        link = tarfile.TarInfo("evil-link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        for name in ("../../outside/evil.bin", str(tmp_path / "absolute"), "evil-link/evil"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    before = sorted(os.walk(tmp_path))
    cifar.load(archive, layout)
    assert sorted(os.walk(tmp_path)) == before
    first = layout.files[0]
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(first)
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(DiffbenchError, match=r"evil\.tar\.gz: (lacks|not a whole)"):
        cifar.load(archive, layout)


def test_bytes_of_idx_and_cifar_are_pixels(mark: Path, tmp_path: Path) -> None:
    from diffbench.data.formats import idx

    evil = pickle.dumps(Payload(mark))
    for name, content in (
        ("a", evil),
        ("b.gz", gzip.compress(evil)),
        ("c", b"\0\0\x0e\1" + struct.pack(">I", 9) + evil),
    ):
        (tmp_path / name).write_bytes(content)
        refused(mark, lambda name=name: idx.read(tmp_path / name))
    layout = cifar.CIFAR10
    folder = tmp_path / "set"
    folder.mkdir()
    for name in layout.files:
        (folder / name).write_bytes(evil)
    refused(mark, lambda: cifar.load(folder, layout))


def test_a_pipelines_folder_is_not_unpickled_and_brings_no_code(mark: Path, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    import json

    from diffbench.adapters.pipeline import pipeline
    from tests.test_adapters import save, tiny_unet

    save(tmp_path, tiny_unet(), "unet")
    weights = tmp_path / "unet/diffusion_pytorch_model"
    weights.with_suffix(".safetensors").unlink()
    torch.save({"conv_in.weight": Payload(mark)}, weights.with_suffix(".bin"))
    refused(mark, lambda: pipeline(tmp_path))
    weights.with_suffix(".bin").write_bytes(pickle.dumps(Payload(mark)))
    refused(mark, lambda: pipeline(tmp_path))
    weights.with_suffix(".bin").unlink()
    weights.with_suffix(".safetensors").write_bytes(pickle.dumps(Payload(mark)))
    refused(mark, lambda: pipeline(tmp_path))
    save(tmp_path, tiny_unet(), "unet")
    scheduler = tmp_path / "scheduler/scheduler_config.json"
    known = json.loads(scheduler.read_text())
    (tmp_path / "scheduler/pipeline.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    for name in ("DiffusionPipeline", "UNet2DModel", "os", "__builtins__"):
        scheduler.write_text(json.dumps(known | {"_class_name": name, "auto_map": {"AutoModel": "pipeline.Evil"}}))
        refused(mark, lambda: pipeline(tmp_path), "has no alphas_cumprod")
