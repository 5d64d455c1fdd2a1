"""A laboratory of little work: what tests of its stages and its page read."""

import json
from pathlib import Path
from typing import Any

import pytest

from diffbench import cli
from diffbench.settings.lab import TOPICS
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study

SMALL_LAB: dict[str, Any] = {
    "gap": {"deltas": [0.6, 1.6, 2.4], "point_counts": [20, 24], "guidances": [0.0, 0.4], "draws": 2000},
    "flow": {"sigmas": [0.1, 1.0, 10.0], "dense_points": 40, "side": 7, "trajectories": 6},
    "profile": {"deltas": [0.8, 2.4], "sigmas": [1.2], "angles": 5},
    "discretization": {"points": 10, "euler_steps": [9], "heun_steps": [9]},
    "collapse": {"dimensions": [2, 16], "train_sizes": [16, 64], "draws": 1},
    "recall": {"deltas": [0.1, 0.8, 3.0], "point_counts": [12, 40]},
    "dimension": {"point_counts": [20], "deltas": [0.4]},
}
CIRCLE: dict[str, Any] = {
    "name": "plane",
    "data": {"name": "circle-symmetric", "points": 20},
    "seeds": [0],
    "steps": [4],
    "models": {"blurred-1.6": {"kind": "blurred", "delta": 1.6}},
    "center": {"model": "mlp-small", "train_size": 10, "granularity": "none", "guidance": 0},
    "sweeps": [{"model": ["mlp-small", "blurred-1.6"]}],
    "sampling": {"samples": 40, "trajectories": 20, "steps": 6},
    "measures": {"gap": {"levels": 6, "sigma_min": 0.01, "sigma_max": 1.0, "images": 20, "noises": 64}},
    "lab": SMALL_LAB,
}


def circle_study() -> Study:
    """The study CIRCLE."""
    return parse_study(CIRCLE, "plane.yaml")


def all_topics(factory: pytest.TempPathFactory) -> Path:
    """The folder in whose lab/ all topics lie, computed by the command line once for all tests."""
    folder = factory.getbasetemp() / "topics"
    for topic in TOPICS:
        out = folder / "lab" / f"{topic}.h5"
        spec = Lineage(circle_study()).spec_json("lab", {"topic": topic})
        assert out.exists() or cli.main(["lab", "--spec", spec, "--out", str(out)]) == 0
    return folder


def measure_closed_form(folder: Path, delta: float, noises: int) -> Path:
    """The files of the ordinary stages for y_delta on a circle of 10 training points; returns its denoise.h5."""
    gap = {"levels": 5, "sigma_min": 0.02, "sigma_max": 0.2, "images": 20, "noises": noises}
    data, labels, optimum, losses = (folder / f"{name}.h5" for name in ("data", "conditions", "optimum", "denoise"))
    subset = {"factors": {"train_size": 10, "granularity": "none"}}
    model = {"gap": gap, "model": {"kind": "blurred", "delta": delta}}
    inputs = ["--data", data, "--conditions", labels]
    for name, spec, files in (
        ("data", {"name": "circle-symmetric", "points": 20}, ["--out", data]),
        ("conditions", subset | {"seed": 0}, ["--data", data, "--out", labels]),
        ("optimum", subset | {"gap": gap, "model": {"kind": "optimal"}}, [*inputs, "--out", optimum]),
        ("denoise", subset | model, [*inputs, "--optimum", optimum, "--out", losses]),
    ):
        assert cli.main([name, "--spec", json.dumps(spec), *map(str, files)]) == 0
    return losses
