"""Minutes asked of a scheduler: enough for what was measured, by counts that the plan has too, twice on a retry."""

import copy
import itertools
import math
from typing import Any

import pytest

from diffbench.data.catalog import facts
from diffbench.denoisers import jacobian, references
from diffbench.denoisers.attack_levels import AttackLevels
from diffbench.planning import cost as costs
from diffbench.planning import runtime
from diffbench.planning.cost import cost
from diffbench.planning.rates import Line, NetworkRates
from diffbench.planning.runtime import CPU_RATE, MARGIN, MINUTES_LEAST, OPTIMUM_RATE, Runtime
from diffbench.settings.measures import GapSettings
from diffbench.study import evaluations
from diffbench.study.evaluations import Evaluations
from diffbench.study.file import load_study, parse_study
from diffbench.study.flops import flops_per_image
from tests.snakemake_runs import ROOT, TINY

DIGITS = load_study(ROOT / "config/config.yaml")
CELL = {"model": "mlp-medium", "train_size": "1024", "granularity": "classes", "seed": "0", "step": "1000"}
CELL |= {"guidance": "0"}
MEASURED = {  # CPU seconds of the default study's jobs in *.cost.json, on a 2.45 GHz EPYC; training is in two segments
    ("train", "mlp-large"): 19.6,
    ("denoise", "mlp-large"): 4.52,
    ("denoise", "optimal"): 2.66,
    ("sample", "mlp-large"): 2.86,
    ("overlap", "mlp-medium"): 0.60,
    ("memorization", "mlp-medium"): 0.68,
    ("optimum", "mlp-medium"): 3.85,
    ("lab", "mlp-medium"): 6.61,
}


def study(**changes: Any) -> Any:
    return parse_study(copy.deepcopy(TINY) | changes, "t.yaml")


@pytest.mark.parametrize(("rule", "model"), MEASURED)
def test_what_was_measured_fits_into_what_is_asked_and_is_not_far_below_what_is_reckoned(rule: str, model: str) -> None:
    factors = CELL | {"model": model, "step": "0" if model == "optimal" else "1000"}
    measured, reckoned = MEASURED[rule, model], Runtime(DIGITS).seconds(rule, factors)
    assert measured < MARGIN * reckoned + 60  # of the least minutes one is a start's
    assert reckoned < 4 * measured or rule == "lab"
    assert 60 * Runtime(DIGITS).minutes(rule, factors) > 60 * MINUTES_LEAST


def test_no_job_of_the_default_study_asks_for_an_hour() -> None:
    asked = Runtime(DIGITS)
    for cell in DIGITS.cells:
        factors = {name: str(value) for name, value in cell.factors.items()}
        for rule in ("train", "denoise", "sample", "memorization", "overlap", "optimum"):
            if rule != "train" or DIGITS.definition(factors["model"]).trained:
                assert MINUTES_LEAST < asked.minutes(rule, factors) < 20
    assert all(asked.minutes(rule, {}) < 30 for rule in ("data", "features", "summary", "report", "lab"))


def test_minutes_grow_with_steps_network_and_images_and_by_the_site_s_factor() -> None:
    asked = Runtime(study(steps=[1000, 100_000], data={"name": "fashion-mnist"}, center={"model": "unet-small"}))
    factors = CELL | {"model": "unet-small"}
    short, long = (asked.seconds("train", factors | {"step": step}) for step in ("1000", "100000"))
    assert long == pytest.approx(100 * short)
    assert short > 5 * asked.seconds("train", factors | {"model": "unet-tiny"})
    assert asked.minutes("train", factors | {"step": "100000"}) > 1440  # what all asked for before
    small, large = (asked.seconds("memorization", factors | {"train_size": size}) for size in ("1000", "50000"))
    assert large > 50 * small
    slower = Runtime(study(runtime_factor=3))
    assert slower.minutes("train", CELL) == math.ceil(3 * (MINUTES_LEAST + MARGIN * slower.seconds("train", CELL) / 60))


def test_a_batch_of_the_longest_that_fits_asks_for_no_more() -> None:
    asked = Runtime(study(runtime_factor=0.7))
    assert asked.minutes_of_batch(asked.fitting(90)) == 90
    assert asked.minutes_of_batch(asked.fitting(90) + 60) > 90
    assert asked.fitting(5) < 0


def test_a_gpu_is_faster_than_a_core_and_threads_are_less_than_cores() -> None:
    core, gpu, threads = (
        Runtime(study(**on)).seconds("train", CELL) for on in ({}, {"device": "cuda"}, {"threads": 3})
    )
    assert gpu < threads < core < 3 * threads


def test_counts_are_those_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rates of the one in the place of what the other measures."""
    for name in ("PER_PAIR", "PER_VALUE", "PER_LOSS", "CALL"):
        monkeypatch.setattr(runtime, name, 0.0)
    some = study(center={"model": "mlp-small", "train_size": 32}, sweeps=[{"model": ["optimal"]}, {"guidance": [1]}])
    operations = flops_per_image(some.definition("mlp-small"), (1, 8, 8))  # pyright: ignore[reportArgumentType]
    rates = NetworkRates(3 * 16 * operations / CPU_RATE, operations / CPU_RATE, "planted")
    nothing = {"gap_statistics": 0.0, "attack_statistics": 0.0, "overlap_level": Line(0.0, 0.0)}
    nothing |= {"memorization_seconds": Line(0.0, 0.0), "START_SECONDS": 0.0, "PER_JOB": 0.0}
    for name, value in nothing.items():
        monkeypatch.setattr(costs, name, value if name.isupper() else lambda *_, value=value: value)
    monkeypatch.setattr(costs, "network_rates", lambda *_: rates)
    monkeypatch.setattr(costs, "optimum_rate", lambda *_: 4 * 64 / OPTIMUM_RATE)
    planned, asked = cost(some).stages, Runtime(some)

    def total(rule: str, each: Any) -> float:
        points = {tuple(sorted((name, str(value)) for name, value in point.factors.items())) for point in each}
        return sum(asked.seconds(rule, dict(point)) for point in points)

    assert total("sample", some.cells) == pytest.approx(planned["sample"])
    assert planned["denoise"] <= total("denoise", some.checkpoints) < 2 * planned["denoise"]  # attacks at most
    first = [each for each in some.checkpoints if each.run.model == "mlp-small"][:1]
    assert total("optimum", first) == pytest.approx(planned["optimum"])


def test_numbers_that_stand_where_torch_is_needed_are_the_same() -> None:
    some = study()
    for images, dimension in itertools.product((5, 100, 10_000), (2, 16, 17, 784)):
        counted = Evaluations(some, facts(some.data), dimension).probed(images)
        assert counted == jacobian.evaluations(min(images, jacobian.IMAGES), dimension)
    assert (evaluations.COMPARED, evaluations.PIXELS) == (references.IMAGES, references.PIXELS)
    assert AttackLevels.of(GapSettings(levels=1000)).evaluations == evaluations.ATTACKS
