"""The plan's estimate: counts times rates, with the counts worked out by hand and the rates planted."""

import io
import json
import re
from pathlib import Path

import pytest
import torch

from diffbench import cli
from diffbench.commands.plan import estimate
from diffbench.denoisers.build import describe, fresh_network
from diffbench.planning import ahead
from diffbench.planning import cost as costs
from diffbench.planning.ahead import plan_ahead
from diffbench.planning.cost import cost
from diffbench.planning.rates import Clock, Line, NetworkRates, _line, network_rates
from diffbench.settings.models import PRESETS, Dit, TrainedDefinition, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.flops import flops_per_image
from diffbench.summary.planned import Planned, fingerprint_of, planned_for

STUDY = {
    "name": "t",
    "data": {"name": "digits", "validation": 50},
    "seeds": [0, 1],
    "steps": [10, 40],
    "center": {"model": "mlp-small", "train_size": 20, "granularity": "classes", "guidance": 0},
    "sweeps": [{"guidance": [0, 1], "step": [40]}, {"model": ["optimal", "constant"]}],
    "sampling": {"steps": 5, "samples": 30, "trajectories": 10},
    "measures": {"gap": {"levels": 4, "images": 25, "noises": 3}},
}
STEP, IMAGE, OPTIMUM, INTERVALS, ATTACKS, LEVEL, JOB = 7.0, 0.5, 0.01, 11.0, 13.0, 3.0, 1.0


@pytest.fixture
def planted(monkeypatch):
    """Known rates in the place of measured ones."""
    rates = {
        "network_rates": lambda *_: NetworkRates(STEP, IMAGE, "planted"),
        "optimum_rate": lambda *_: OPTIMUM,
        "gap_statistics": lambda *_: INTERVALS,
        "attack_statistics": lambda *_: ATTACKS,
        "overlap_level": lambda *_: Line(LEVEL, 0.0),
        "memorization_seconds": lambda *_: Line(0.0, 2.0),
        "START_SECONDS": JOB,
        "PER_JOB": 0.0,
    }
    for name, value in rates.items():
        monkeypatch.setattr(costs, name, value)


def test_cost_is_counts_times_rates(planted):
    found = cost(parse_study(STUDY, "t.yaml")).stages
    # 2 seeds of the network with 2 milestones, optimal and constant once: 6 checkpoints; 2 more cells with guidance.
    assert found["train"] == pytest.approx(2 * 40 * STEP + 4 * JOB)
    losses = 4 * 3 * (20 + 25)
    probed = 17 * (20 + 25) + 2 * (16 + 16)  # the Jacobian: D and 16 directions, and either way at some images
    compared = 4 * 25  # images that closed forms are compared by
    attacks = (2 + 1) * (20 + 25)  # SimA at the two levels that lie in the range, PIA at one; no two levels for SecMI
    measured = losses + probed + compared + attacks
    statistics = 6 * (INTERVALS + ATTACKS + JOB)
    assert found["denoise"] == pytest.approx(measured * (4 * IMAGE + 20 * OPTIMUM) + statistics)
    # Heun's two per step, one in the last; noised images, 4 at each level shown; and the Jacobian at 30 samples
    evaluations = 30 * (2 * 5 - 1) + 5 * 2 * (10 + 4) + 17 * 30 + 2 * 16
    assert found["sample"] == pytest.approx(evaluations * ((4 + 2 * 2) * IMAGE + 20 * OPTIMUM) + 8 * JOB)
    closed = losses * (20 + 20) + compared * ((2 + 64) * 20 + 20)  # and a linear filter of rank 20; 64 pixels' locality
    assert found["optimum"] == pytest.approx(closed * OPTIMUM + JOB)
    assert found["overlap"] == pytest.approx(8 * (5 * LEVEL + JOB))
    assert found["memorization"] == pytest.approx(8 * (20 * 2.0 + JOB))


def test_a_twin_trains_and_samples_as_its_run_does(planted):
    alone, paired = (cost(parse_study(STUDY | {"pairs": pairs}, "t.yaml")).stages for pairs in (False, True))
    assert paired["train"] == pytest.approx(2 * alone["train"])
    assert paired["denoise"] == alone["denoise"]
    networks = (30 * (2 * 5 - 1) + 5 * 2 * (10 + 4) + 17 * 30 + 2 * 16) * (4 + 2 * 2) * IMAGE
    assert paired["sample"] == pytest.approx(alone["sample"] + networks + 6 * JOB)


def test_a_model_from_outside_is_named_as_not_measured(planted):
    models = {"theirs": {"kind": "external", "import": "package.module:factory"}}
    study = parse_study(STUDY | {"models": models, "sweeps": [{"model": ["theirs"]}]}, "t.yaml")
    lines = estimate(study, cost(study))
    assert "not measured, and not in the estimate: evaluations of theirs" in lines
    assert "measured here: mlp-small: planted" in lines


def test_first_and_last_jobs_run_alone(planted):
    found = cost(parse_study(STUDY, "t.yaml"))
    assert found.wall(1) == pytest.approx(found.total)
    assert found.wall(4) - found.alone == pytest.approx((found.total - found.alone) / 4)


def test_what_grows_with_the_training_set_is_extrapolated():
    line = _line(lambda n: 3 + 0.5 * n, [100, 10, 50_000])
    assert line(50_000) == pytest.approx(3 + 0.5 * 50_000)
    assert _line(lambda n: 3 + 0.5 * n, [100])(100) == pytest.approx(53)


@pytest.mark.parametrize(
    ("definition", "shape"),
    [
        (PRESETS["mlp-small"], (2,)),
        (PRESETS["unet-tiny"], (1, 8, 8)),
        (Unet(channels=16, multipliers=(1, 2, 4), blocks=2, attention_levels=2), (3, 16, 16)),
        (Unet(channels=16, multipliers=(2,), blocks=1, attention_levels=0), (1, 7, 7)),
        (PRESETS["dit-tiny"], (1, 8, 8)),
        (Dit(width=32, depth=2, heads=2, patch=4), (3, 16, 16)),
    ],
)
def test_operations_are_those_that_torch_counts(definition: TrainedDefinition, shape: tuple[int, ...]):
    network = fresh_network(definition, shape, 1, 0)
    assert flops_per_image(definition, shape) == describe(network, shape)["flops_per_image"]


@pytest.mark.parametrize(
    "definition",
    [Dit(width=768, depth=12, heads=12), Unet(channels=64, multipliers=(2, 2), blocks=4)],
    ids=lambda definition: definition.kind,
)
def test_a_large_network_is_measured_with_one_block(definition: TrainedDefinition, monkeypatch):
    monkeypatch.setattr("diffbench.planning.rates.CALL_FLOPS", {"cpu": 1e8})
    monkeypatch.setattr(Clock, "seconds", lambda self, action: 1.0)
    rates = network_rates(definition, (3, 8, 8), TrainingSettings(batch=64), Clock(torch.device("cpu"), 1))
    found = re.match(r"measured with one block, scaled by ([\d.]+); steps of 1 images", rates.note)
    assert found
    assert rates.step == pytest.approx(64 * float(found[1]), rel=0.02)


def test_what_is_measured_is_told_before(planted):
    told = []
    cost(parse_study(STUDY, "t.yaml"), lambda *what: told.append(what))
    names = ["mlp-small", "optimum", "intervals", "overlap", "memorization"]
    assert told == [(name, done, len(names)) for done, name in enumerate(names)]


def test_an_estimate_that_is_kept_is_the_one_that_is_told(planted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("t.yaml").write_text(json.dumps(STUDY))
    assert cli.main(["plan", "--study", "t.yaml", "--out", "plan.json"]) == 0
    assert "8 overlap" in capsys.readouterr().out
    study = parse_study(STUDY, "t.yaml")
    kept = planned_for(study, Path("plan.json"))
    assert kept is not None
    assert kept.per_job()["overlap"] == pytest.approx(5 * LEVEL + JOB)
    assert sum(kept.seconds.values()) == pytest.approx(sum(cost(study).stages.values()), abs=0.01)
    assert planned_for(parse_study(STUDY | {"seeds": [0]}, "t.yaml"), Path("plan.json")) is None
    Path("plan.json").write_text("{}")
    assert planned_for(study, Path("plan.json")) is None


def test_a_run_plans_a_study_once_if_it_trains_for_long(tmp_path, monkeypatch):
    """Its study, however it was configured, is read by the command that a run would start."""
    started = []

    class Started:
        def __init__(self, command, stdin, **_) -> None:
            started.append(command)
            self.stdin = io.BytesIO()
            self.stdin.close = lambda: started.append(self.stdin.getvalue())

    monkeypatch.setattr(ahead.subprocess, "Popen", Started)
    plan_ahead(parse_study(STUDY, "t.yaml"), tmp_path)  # 80 steps
    assert started == []
    study = parse_study(STUDY | {"steps": [10, 40, 3000]}, "t.yaml")
    plan_ahead(study, tmp_path)
    command, read = started
    assert command[-1] == str(tmp_path / layout.PLAN)
    assert parse_study(json.loads(read), "/dev/stdin") == study
    Planned(fingerprint_of(study), "now", {}, {}).write(tmp_path / layout.PLAN)
    plan_ahead(study, tmp_path)
    assert len(started) == 2
