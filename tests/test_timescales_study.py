"""The study of time scales has what a power law needs, in minutes; that of laws takes minutes as well."""

from itertools import pairwise

import pytest

from diffbench.commands.plan import estimate
from diffbench.planning import cost as costs
from diffbench.planning.rates import Line, NetworkRates
from diffbench.study.file import load_study
from tests.snakemake_runs import ROOT

FILE = ROOT / "config/studies/timescales.yaml"


def test_milestones_double_and_at_least_four_sizes_have_four_of_them():
    study = load_study(FILE)
    assert all(later == 2 * earlier for earlier, later in pairwise(study.steps))
    assert len(study.seeds) == 3
    sizes = sorted({run.train_size for run in study.runs})
    many = [n for n in sizes if len({c.step for c in study.checkpoints if c.run.train_size == n}) >= 4]
    assert len(many) >= 4


@pytest.mark.parametrize("name", ["timescales", "laws"])
def test_plan_says_minutes(name, monkeypatch):
    """With the rates of two cores of a 2.45 GHz EPYC, so that other machines do not matter."""
    rates = {
        "network_rates": lambda *_: NetworkRates(0.0085, 3e-5, "of a 2.45 GHz EPYC"),
        "optimum_rate": lambda *_: 1e-7,
        "gap_statistics": lambda *_: 0.1,
        "overlap_level": lambda *_: Line(0.005, 0.0),
        "memorization_seconds": lambda *_: Line(0.3, 0.0),
        "START_SECONDS": 0.05,
    }
    for rate, value in rates.items():
        monkeypatch.setattr(costs, rate, value)
    study = load_study(FILE.with_stem(name))
    expected = costs.cost(study)
    assert "minutes of one core" in estimate(study, expected)[0]
    assert 3 < expected.wall(2) / 60 < 10
