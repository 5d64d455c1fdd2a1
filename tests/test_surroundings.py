"""Commands in surroundings that lack a locale which knows UTF-8, or a home of the user."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffbench.files import store
from diffbench.files.surroundings import path_of, plain_text

ROOT = Path(__file__).parents[1]
LOCALES = {
    "utf-8": {"LC_ALL": "C.UTF-8"},
    "C": {"LC_ALL": "C"},
    "C without UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0"},
}


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of diffbench with no other variables of the environment."""
    command = [sys.executable, "-m", "diffbench", *arguments]
    path = os.pathsep.join([str(ROOT), str(folder)])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | variables
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("locale", LOCALES)
def test_names_and_labels_are_utf_8_in_any_locale(tmp_path: Path, locale: str) -> None:
    rng = np.random.default_rng(0)
    for name in ("käse", "brot"):
        (tmp_path / "ünï" / name).mkdir(parents=True)
        for index in range(6):
            image = rng.integers(0, 256, (8, 8)).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / "ünï" / name / f"{index}é.png")
    (tmp_path / "ünï/notés.txt").touch()
    labels = np.array([label.encode() for label in ("ä", "b")])[np.arange(12) % 2]
    np.savez(tmp_path / "o.npz", x=rng.integers(0, 256, (12, 8, 8)).astype(np.uint8), y=labels)
    study = {"name": "x", "data": {"name": "folder", "path": "ünï", "validation": 4}, "steps": [1], "seeds": [0]}
    study |= {"center": {"model": "mlp-small", "train_size": 4}}
    (tmp_path / "study.yaml").write_text(json.dumps(study, ensure_ascii=False), encoding="utf-8")
    if "PYTHONUTF8" in LOCALES[locale]:  # plan takes seconds: it measures
        planned = run(tmp_path, "plan", "--study", "study.yaml", **LOCALES[locale])
        assert planned.returncode == 0, planned.stderr
        assert "12 read, 1 not read (1 of another kind, e.g. not" in planned.stdout
    for spec, names in (
        (study["data"], ["brot", "käse"]),
        ({"name": "file", "path": "o.npz", "images": "x", "labels": "y", "validation": 4}, ["b", "ä"]),
    ):
        text = json.dumps(spec, ensure_ascii=False)
        done = run(tmp_path, "data", "--spec", text, "--out", "d.h5", **LOCALES[locale])
        assert done.returncode == 0, done.stderr
        assert store.read(tmp_path / "d.h5", "data").attributes["class_names"] == names


def test_a_user_without_a_home_or_an_entry_can_run_everything(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import pwd\ndef unknown(uid):\n    raise KeyError(f'uid not found: {uid}')\npwd.getpwuid = unknown\n"
    )
    rng = np.random.default_rng(0)
    np.save(tmp_path / "train.npy", rng.integers(0, 256, (50, 8, 8)).astype(np.uint8))
    np.save(tmp_path / "samples.npy", rng.integers(0, 256, (50, 8, 8)).astype(np.uint8))
    audited = run(tmp_path, "audit", "--samples", "samples.npy", "--train", "train.npy")
    assert audited.returncode == 0, audited.stderr
    assert (tmp_path / "audit.html").exists()
    fetched = run(tmp_path, "data", "--spec", '{"name": "mnist"}', "--out", "d.h5", http_proxy="http://127.0.0.1:9",
                  https_proxy="http://127.0.0.1:9")  # fmt: skip
    assert f"cannot be fetched (ProxyError); put its files in {tmp_path}" in fetched.stderr


def test_text_survives_surrogates() -> None:
    escaped = "ünï".encode().decode("ascii", "surrogateescape")
    assert plain_text(escaped) == plain_text("ünï") == "ünï"
    assert plain_text("\udcff") == "\udcff"  # bytes that are no UTF-8
    assert str(path_of("ünï")) == os.fsdecode("ünï".encode())
