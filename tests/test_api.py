"""What `import diffbench` gives, and what audits and inspections from Python refuse.

Results are read in tests/test_installed.py, where a study has run.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import diffbench
from diffbench import cli
from diffbench.api.units import tell_units
from diffbench.data.scaling import Scaling
from diffbench.study import layout

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 6, 6)).astype(np.uint8)


def test_nothing_is_imported_before_a_name_is_asked_for() -> None:
    heavy = "numpy", "pandas", "torch", "pydantic", "typing", "importlib.util"
    code = f"import sys; old = set(sys.modules); import diffbench; print(set({heavy}) & (set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=cli.__file__.rpartition("/diffbench/")[0],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == "set()"


def test_all_that_is_named_is_there() -> None:
    for name in diffbench.__all__:
        assert getattr(diffbench, name).__doc__ or name == "__version__"
    assert set(diffbench.__all__) <= set(dir(diffbench))
    with pytest.raises(AttributeError, match="module 'diffbench' has no attribute 'load_result'"):
        diffbench.load_result  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_an_audit_of_arrays_is_that_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples, train, validation = np.concatenate([IMAGES[:5], IMAGES[50:]]), IMAGES[:30], IMAGES[30:50]
    for name, images in {"samples": samples, "train": train, "validation": validation}.items():
        np.save(tmp_path / f"{name}.npy", images)
    files = [part for name in ("samples", "train", "validation") for part in (f"--{name}", f"{tmp_path}/{name}.npy")]
    assert cli.main(["audit", *files, "--out", str(tmp_path / "audit.h5"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    audited = diffbench.audit(samples, train, validation)
    assert list(audited.table.index) == list(told)
    for name, row in audited.table.iterrows():
        found = told[str(name)]
        assert (found["value"] is None) == bool(np.isnan(row["value"]))
        assert found["value"] is None or found["value"] == pytest.approx(row["value"])
        assert (found["n"], found["space"]) == (row["n"], row["space"])
    assert set(audited.suspicious[:5]) == set(range(5))


def test_tensors_of_torch_are_arrays_whatever_they_are_part_of() -> None:
    """Of bytes, of a graph, and of bfloat16, which holds these fractions exactly."""
    sets = [IMAGES[:8] // 64, IMAGES[:30] // 64, IMAGES[30:50] // 64]
    wanted = diffbench.audit(*(each / 4 for each in sets)).table
    for made in (
        [torch.from_numpy(each / 4).requires_grad_() for each in sets],
        [torch.from_numpy(each / 4).bfloat16() for each in sets],
        [(each / 4).tolist() for each in sets],
    ):
        pd.testing.assert_frame_equal(diffbench.audit(*made).table, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": [[1, 2], [3]]}, "samples: no array of numbers (setting an array element with a sequence."),
        ({"train": None}, "train: array (): values are of type object"),
        ({"samples": IMAGES[:5].astype(int)}, "samples: array (5, 6, 6): values are of type int64"),
        ({"samples": []}, "samples: array (0,): "),
        ({"validation": IMAGES[:30]}, "validation: 30 distinct images are training images too"),
        ({"train_range": (1, 0)}, "train_range: give two numbers, the lower one first, such as (-1, 1) (got (1, 0))"),
        ({"samples": IMAGES[40:] / 255 * 2 - 1}, "(-1 to 1), those of training images in"),
    ],
)
def test_an_audit_of_what_makes_no_sense_is_refused_in_a_line(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"samples": IMAGES[40:], "train": IMAGES[:30], "validation": IMAGES[30:40]} | change
    with pytest.raises(diffbench.DiffbenchError, match=re.escape(message)):
        diffbench.audit(**given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"held_out": "held-out.npy"}, "train, held_out: give both as arrays, or both as paths"),
        ({"labels": np.zeros(30)}, "labels: give two arrays, one of the training images and one of the held-out"),
        ({"labels": "y"}, "labels: give two arrays"),
        ({"train": "a.npz", "held_out": "b.npz", "labels": (1, 2)}, "labels: name the array in the files"),
        ({"train": "a.npz", "held_out": "b.npz"}, "a.npz: no such file"),
        ({"held_out": IMAGES[:20]}, "its 20 distinct images are training images too"),
        ({"train": IMAGES[:1]}, "--train: 1 distinct image is too few; give at least 2"),
        ({"pixel_range": (0, 1, 2)}, "--range: give two numbers, such as 0,255 (got 0,1,2)"),
        ({"denoiser": None}, "denoiser: a function D(x, sigma, label) is expected (got None)"),
        ({"denoiser": lambda x, sigma, label: x[:1]}, "model 'python:denoiser': "),
    ],
)
def test_an_inspection_of_what_makes_no_sense_is_refused_and_writes_nothing(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"denoiser": lambda x, sigma, label: x, "train": IMAGES[:30], "held_out": IMAGES[30:]}
    with pytest.raises(diffbench.DiffbenchError) as error:
        diffbench.inspect(**given | change, out=tmp_path / "out", device="cpu")
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())


def test_what_is_measured_in_decoded_pictures_is_on_their_scale() -> None:
    scalings = {layout.DATA: Scaling(1.0, 2.0), layout.PIXELS: Scaling(3.0, 4.0)}
    names = ("distance", "distance_decoded", "value")
    opened = xr.Dataset({name: ("sample", np.zeros(2), {"units": "1"}) for name in names})
    tell_units(opened, layout.MEMORIZATION, scalings.__getitem__)
    told = {name: opened[name].attrs for name in names}
    assert told["distance"] == {"units": "scaled", "mean": 1.0, "scale": 2.0}
    assert told["distance_decoded"] == {"units": "scaled", "mean": 3.0, "scale": 4.0}
    assert told["value"] == {"units": "1"}
    pictures = xr.Dataset({"pool": ("image", np.zeros(2)), "pool_class": ("image", np.zeros(2))})
    tell_units(pictures, layout.PIXELS, scalings.__getitem__)
    assert pictures["pool"].attrs == {"units": "raw", "mean": 3.0, "scale": 4.0}
    assert pictures["pool_class"].attrs == {}
