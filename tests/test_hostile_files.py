"""No file that the suite reads as data runs code: payloads in every kind of them."""

import gzip
import io
import os
import pickle
import struct
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from diffbench.conventions import DiffbenchError
from diffbench.data.formats import cifar
from diffbench.data.formats import folder as images
from diffbench.data.formats.arrays import opened
from diffbench.data.image_set import read_image_set
from diffbench.files.checkpoint import read_checkpoint
from diffbench.files.store import read
from diffbench.study.file import load_study
from tests.data_formats import load_own, write_cifar
from tests.hostile import Payload, refused, sealed


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


def write_npy(path: Path, mark: Path) -> None:
    np.save(path, np.array([[Payload(mark)] * 3], object), allow_pickle=True)


def write_npz(path: Path, mark: Path) -> None:
    np.savez(path, images=np.zeros((5, 8, 8), np.uint8), evil=np.array([Payload(mark)] * 5, object))


def write_bare_pickle(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(mark)))


@pytest.mark.parametrize("write", [write_npy, write_npz, write_bare_pickle])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_arrays_are_not_unpickled(write: Any, suffix: str, mark: Path, tmp_path: Path) -> None:
    write(tmp_path / "made", mark)
    made = next(path for path in tmp_path.glob("made*"))
    path = made.rename(tmp_path / f"evil{suffix}")
    for act in (
        *(lambda name=name: load_own(path, name, None) for name in (None, "images", "evil")),
        lambda: load_own(path, "images", "evil"),
        lambda: read_image_set("samples", str(path)),
        lambda: read_image_set("samples", f"{path}:evil"),
    ):
        with suppress(DiffbenchError):  # the .npz also holds a sound array
            act()
        assert not mark.exists()
    refused(mark, lambda: load_own(path, "evil" if suffix == ".npz" else None, None))


def test_objects_in_hdf5_are_bytes(mark: Path, tmp_path: Path) -> None:
    evil = pickle.dumps(Payload(mark))
    with h5py.File(tmp_path / "evil.h5", "w") as file:
        file["images"] = np.zeros((5, 8, 8), np.uint8)
        file["opaque"] = np.array([np.void(evil)] * 5)
        file["text"] = np.array([evil.hex()] * 5, h5py.string_dtype())
        file.create_dataset("reference", data=[file["images"].ref] * 5, dtype=h5py.ref_dtype)
        file.create_dataset("ragged", (5,), dtype=h5py.vlen_dtype(np.uint8))[0] = np.frombuffer(evil, np.uint8)
        file.attrs["pickle"] = np.void(evil)
        file.attrs["json"] = '{"py/object": "os.mkdir"}'
    assert load_own(tmp_path / "evil.h5", "images", "text").images.shape == (5, 1, 8, 8)
    for name in ("opaque", "reference", "ragged"):
        refused(mark, lambda name=name: load_own(tmp_path / "evil.h5", name, None))
        refused(mark, lambda name=name: load_own(tmp_path / "evil.h5", "images", name))
    with opened(tmp_path / "evil.h5") as arrays:
        assert set(arrays) >= {"images", "opaque"}
    sealed(tmp_path / "evil.h5")
    refused(mark, lambda: read(tmp_path / "evil.h5", "data"))


@pytest.mark.parametrize("member", ["whole", "weights", "optimizer", "settings"])
def test_a_checkpoint_or_state_is_not_unpickled(member: str, mark: Path, tmp_path: Path) -> None:
    state: Any = {"step": 1, "settings": "{}", "weights": {}, "ema": {}, "optimizer": {}} | {member: Payload(mark)}
    for name in ("checkpoint.pt", "training.pt"):
        torch.save(Payload(mark) if member == "whole" else state, tmp_path / name)
        sealed(tmp_path / name)
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
    assert images.read(tmp_path / "fine.png").pixels.shape == (1, 8, 8)


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
    from tests.diffusers_models import save, tiny_unet

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
        refused(mark, lambda: pipeline(tmp_path), f"a {name} is not understood")
