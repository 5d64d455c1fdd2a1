"""Ready factories: exact networks of each form give the exact denoiser, and what libraries train beats a linear one."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from diffbench.adapters import factories
from diffbench.adapters.factories import azula, edm, velocity
from diffbench.adapters.libraries import hide_broken_torchvision
from diffbench.adapters.pipeline import pipeline
from diffbench.conventions import DiffbenchError
from examples import other_libraries
from tests.outside_networks import Evil, Velocity, exact

X = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SIGMA = torch.tensor([0.02, 0.7, 30.0], dtype=torch.float64)
LABEL = torch.tensor([0, 2, 1])
SHIFTED = exact(X, SIGMA, LABEL.view(-1, 1, 1, 1).double())


def test_a_network_of_edms_form_gets_one_hot_labels() -> None:
    denoiser = edm("tests.outside_networks:EdmForm", options={"label_dim": 3})
    assert torch.allclose(denoiser(X, SIGMA, LABEL), SHIFTED)
    assert torch.allclose(denoiser(X, SIGMA, None), exact(X, SIGMA, 0.0))
    assert torch.allclose(denoiser(X, SIGMA, torch.eye(3).double()[LABEL]), SHIFTED), "vectors are handed over"
    for label, message in (
        (torch.tensor([0, 1, 3]), "label 3 is asked for; there are 3 classes, from 0"),
        (torch.zeros(3, 4), r"the conditions have the shape \(4,\), not \(3,\)"),
    ):
        with pytest.raises(DiffbenchError, match=message):
            denoiser(X, SIGMA, label)
    own = edm("examples.own_model:Denoiser", options={"width": 8})
    assert own(torch.zeros(3, 1, 8, 8), SIGMA.float()).shape == (3, 1, 8, 8), "that of the tutorial"
    with pytest.raises(DiffbenchError, match=r"takes no conditions; use granularity none, or arguments: \{classes"):
        edm("tests.outside_networks:EdmForm")(X, SIGMA, LABEL)


@pytest.mark.parametrize("steps", [1.0, 1000.0])
@pytest.mark.parametrize("noise_at", [0, 1])
def test_velocities_of_either_direction_and_unit_of_time(noise_at: Any, steps: float) -> None:
    name, options = "tests.outside_networks:Velocity", {"noise_at": noise_at, "steps": steps}
    labelled = velocity(name, noise_at, options=options | {"null_label": 9}, null_label=9, steps=steps)
    assert torch.allclose(labelled(X, SIGMA, LABEL), SHIFTED)
    assert torch.allclose(labelled(X, SIGMA, None), exact(X, SIGMA, 0.0))
    assert torch.allclose(velocity(name, noise_at, options=options, steps=steps)(X, SIGMA), exact(X, SIGMA, 0.0))


@pytest.mark.parametrize("schedule", ["VPSchedule", "VESchedule", "CosineSchedule", "RectifiedSchedule"])
def test_azulas_denoisers_under_its_schedules(schedule: str) -> None:
    pytest.importorskip("azula")
    denoiser = azula("tests.outside_networks:azula", options={"schedule": schedule}, label="y").double()
    assert torch.allclose(denoiser(X, SIGMA, LABEL), SHIFTED, atol=1e-6)
    assert torch.allclose(denoiser(X, SIGMA, None), exact(X, SIGMA, 0.0), atol=1e-6)
    with pytest.raises(DiffbenchError, match=r"takes no conditions; .* arguments: \{label: ...\}"):
        azula("tests.outside_networks:azula", options={"schedule": schedule})(X, SIGMA, LABEL)


def test_weights_are_loaded_and_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    name, options = "tests.outside_networks:Velocity", {"noise_at": 1}
    network = Velocity(1)
    network.gain.data.fill_(0.5)
    torch.save({"model": network.state_dict(), "args": 3}, tmp_path / "model.pt")
    torch.save({"model": network.state_dict(), "args": Evil()}, tmp_path / "evil.pt")
    torch.save({"other": torch.ones(())}, tmp_path / "other.pt")
    half = velocity(name, 1, tmp_path / "model.pt", options, key="model")(X, SIGMA)
    assert not torch.allclose(half, exact(X, SIGMA, 0.0))
    for file, message in (
        ("model.pt", r"model.pt: is no state dict; it holds model, args; give arguments: \{key: ...\}"),
        (
            "evil.pt",
            r"evil.pt: cannot be read: it holds more .* torch.save\(network.state_dict\(\), FILE\)",
        ),
        ("other.pt", "other.pt: lacks gain; they are of another network"),
    ):
        with pytest.raises(DiffbenchError, match=message):
            velocity(name, 1, tmp_path / file, options)
    with pytest.raises(DiffbenchError, match="noise_at: 2 is neither 0 nor 1"):
        velocity(name, 2, options=options)
    with pytest.raises(DiffbenchError, match=r"not_a_network returned a dict; a torch.nn.Module is expected"):
        edm("tests.outside_networks:not_a_network", options=options)
    with pytest.raises(DiffbenchError, match="which has no schedule of azula's"):
        azula(name, options=options)


def test_no_library_is_imported_for_a_network_of_ones_own() -> None:
    """Which is all that these factories stand for."""
    import subprocess

    code = "import sys, diffbench.adapters.factories, diffbench.adapters.pipeline as _\n"
    code += "print(sorted({'diffusers', 'transformers', 'safetensors', 'azula', 'torchvision'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"


def linear_loss(pixels: Tensor, noised: Tensor, sigma: float) -> float:
    """Of the best linear denoiser, from the mean and covariance of the images themselves."""
    flat = pixels.flatten(1).double()
    mean, covariance = flat.mean(dim=0), torch.cov(flat.T, correction=0)
    gain = covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(len(covariance)))
    return float((mean + (noised.flatten(1).double() - mean) @ gain.T - flat).square().mean())


@pytest.mark.parametrize(("library", "steps"), [("diffusers", 300), ("azula", 2000), ("flow", 400)])
def test_what_libraries_train_beats_the_best_linear_denoiser(library: str, steps: int, tmp_path: Path) -> None:
    hide_broken_torchvision()
    pytest.importorskip({"flow": "torch"}.get(library, library))
    made: Any = other_libraries.train(library, tmp_path, steps, count=10)
    build = pipeline if made["model"] == "pipeline" else getattr(factories, made["model"])
    denoiser = build(weights=tmp_path / made["weights"], **made["arguments"])
    with np.load(tmp_path / "train.npz") as arrays:
        images, labels = torch.from_numpy(arrays["x"][:, None] / 8 - 1).float(), torch.from_numpy(arrays["y"])
    pixels, generator = images.repeat(30, 1, 1, 1), torch.Generator().manual_seed(0)
    for sigma in (0.7, 1.0):
        noised = pixels + sigma * torch.randn(pixels.shape, generator=generator)
        label = labels.repeat(30) if library == "flow" else None
        with torch.no_grad():
            loss = float((denoiser(noised, torch.full((300,), sigma), label) - pixels).square().mean())
        assert loss < linear_loss(pixels, noised, sigma) < float(images.var(dim=0, correction=0).mean()), sigma
