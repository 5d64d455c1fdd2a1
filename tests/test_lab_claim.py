"""The fifth claim: what the laboratory's files decide, what refutes it, and controls that must fail."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import equidistant, spacing
from diffbench.files import store
from diffbench.lab.circle import find_peak, symmetric_curve
from diffbench.lab.quadrature import TOLERANCE
from diffbench.lab.recall import recall_probability
from diffbench.lab.topics import gap as gap_topic
from diffbench.lab.topics import recall as recall_topic
from diffbench.settings.lab import GapTopic, LabSettings, RecallTopic
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from diffbench.summary.laboratory import GAP_ERROR, LARGE, RECALL_ERROR, SMALL, laboratory_tests
from diffbench.summary.reading import Reader
from diffbench.summary.verdicts import INCONCLUSIVE, REFUTED, SUPPORTED, THRESHOLDS, Claim, ClaimTest
from tests.lab_studies import CIRCLE, all_topics, circle_study

NAMES = {
    "localization": False,
    "localization_blurred": True,
    "recall_lost_to_error": False,
    "recall_lost_to_support": False,
    "recall_lost_to_error_small": True,
    "recall_lost_to_support_small": True,
}
"""Whether each test is a control."""


def judged(**topics: dict[str, np.ndarray]) -> dict[str, ClaimTest]:
    """The tests of a laboratory whose files hold these arrays; other files are missing."""

    def read(_stage: object, factors: dict[str, str]) -> dict[str, np.ndarray]:
        if factors["topic"] not in topics:
            raise DiffbenchError(f"lab/{factors['topic']}.h5: no such file")
        return topics[factors["topic"]]

    reader = SimpleNamespace(study=SimpleNamespace(lab=LabSettings()), read=read)
    return {test.name: test for test in laboratory_tests(reader)}  # pyright: ignore[reportArgumentType]


def gap_file(*peaks: tuple[float, float]) -> dict[str, np.ndarray]:
    """Of (delta, peak gap) at the centre, and of settings that are none of the sweep of delta."""
    delta, peak = np.array([*peaks, (1e-3, 99.0), (1e-3, 99.0)]).T
    points, guidance = np.full(len(delta), 20), np.zeros(len(delta))
    points[-1], guidance[-2] = 40, 0.4
    return {"delta": delta, "peak_gap": peak, "points": points, "guidance": guidance}


def recall_file(deltas: list[float], *rows: tuple[int, list[float]]) -> dict[str, np.ndarray]:
    """Of (points, recall by delta)."""
    points = np.array([row[0] for row in rows])
    return {
        "points": points,
        "delta": np.array(deltas),
        "spacing": np.array([spacing(count // 2) for count in points]),
        "recall": np.array([row[1] for row in rows]),
    }


def arrays(variables: dict[str, store.Variable]) -> dict[str, np.ndarray]:
    return {name: np.asarray(variable.values) for name, variable in variables.items()}


@pytest.fixture(scope="module")
def defaults() -> dict[str, ClaimTest]:
    """The tests of the recall topic and of the ends of the gap topic at their defaults."""
    ends = [GapTopic().deltas[0], GapTopic().deltas[-1]]
    gap = arrays(gap_topic.variables(GapTopic(deltas=ends, point_counts=[20], guidances=[0.0], draws=2)))
    return judged(gap=gap, recall=arrays(recall_topic.variables(RecallTopic())))


def test_the_defaults_support_the_claim_and_every_control_exists_and_fails(defaults: dict[str, ClaimTest]) -> None:
    assert {name: test.control for name, test in defaults.items()} == NAMES
    for name, test in defaults.items():
        assert test.verdict == (REFUTED if test.control else SUPPORTED), (name, test.estimate)
    assert Claim(5, "", tuple(defaults.values())).verdict == SUPPORTED


def test_a_study_s_own_files_are_what_is_judged(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = all_topics(tmp_path_factory)
    tests = {test.name: test for test in laboratory_tests(Reader(Lineage(circle_study()), folder))}
    gap, recall = (store.read(folder / f"lab/{topic}.h5", "lab") for topic in ("gap", "recall"))
    peaks, table = gap["peak_gap"], recall["recall"]
    expected = {
        "localization": peaks[0],
        "localization_blurred": peaks[2],
        "recall_lost_to_error": table[0, 0] - table[0, 2],
        "recall_lost_to_support": table[0, 1] - table[1, 1],
        "recall_lost_to_error_small": table[0, 0] - table[0, 1],
        "recall_lost_to_support_small": table[0, 0] - table[1, 0],
    }
    assert {name: test.estimate.value for name, test in tests.items()} == pytest.approx(expected)
    assert "δ = 0.6, 0.097 of the spacing of 10 training points" in tests["localization"].note
    assert "to 0." in tests["recall_lost_to_support"].note
    assert "with 20 training points and δ = 0.8" in tests["recall_lost_to_support"].note


def test_what_does_not_localize_is_refuted() -> None:
    tests = judged(gap=gap_file((0.4, 0.8), (2.4, 0.05)))
    assert tests["localization"].verdict == REFUTED
    assert Claim(5, "", tuple(tests.values())).verdict == REFUTED


def test_a_control_that_passes_takes_the_support_away() -> None:
    tests = judged(gap=gap_file((2.4, 3.0), (0.4, 28.0)))
    assert (tests["localization"].verdict, tests["localization_blurred"].verdict) == (SUPPORTED, SUPPORTED)
    assert Claim(5, "", (tests["localization"], tests["localization_blurred"])).verdict == INCONCLUSIVE


def test_an_infinite_gap_is_above_any_limit_and_one_of_rounding_below() -> None:
    tests = judged(gap=gap_file((1e-200, np.inf), (2.4, -1e-16)))
    assert (tests["localization"].verdict, tests["localization_blurred"].verdict) == (SUPPORTED, REFUTED)


@pytest.mark.parametrize(("deltas", "undecided"), [((1.6, 2.4), "localization"), ((0.1, 0.4), "localization_blurred")])
def test_a_sweep_without_small_or_large_errors_says_nothing(deltas: tuple[float, float], undecided: str) -> None:
    """A delta of 1.6 is a quarter of the spacing: its gap of 0.36 does not speak of the optimum."""
    tests = judged(gap=gap_file((deltas[0], 0.36), (deltas[1], 0.05)))
    assert tests[undecided].verdict == INCONCLUSIVE
    assert "give lab.gap.deltas one of at" in tests[undecided].estimate.reason


def test_the_limit_of_localization_divides_small_errors_from_large_ones() -> None:
    """On sparse and dense circles, where errors are as small or as large as the tests ask."""
    limit = THRESHOLDS["localization"].value
    for count in (6, 20):
        levels = spacing(count) * np.geomspace(0.1, 0.3, 8)  # peaks lie at a sixth to a fifth of the spacing
        small, large = (
            find_peak(symmetric_curve(2 * count, share * spacing(count), sigmas=levels)).peak_gap
            for share in (SMALL, LARGE)
        )
        assert small > 2 * limit > limit > 2 * large


def test_recall_that_falls_too_little_is_refuted() -> None:
    deltas = [0.5, 0.8, 3.0]
    tests = judged(recall=recall_file(deltas, (12, [1.0, 0.95, 0.92]), (40, [1.0, 0.9, 0.5])))
    assert tests["recall_lost_to_error"].verdict == REFUTED
    assert tests["recall_lost_to_support"].verdict == REFUTED


def test_the_order_of_points_in_the_file_does_not_matter() -> None:
    rows = (12, [1.0, 0.95, 0.2]), (40, [1.0, 0.4, 0.1])
    forth, back = (judged(recall=recall_file([0.1, 0.8, 3.0], *order)) for order in (rows, rows[::-1]))
    assert forth == back
    assert forth["recall_lost_to_support"].estimate.value == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("file", "undecided"),
    [
        (recall_file([0.1, 0.8], (12, [1.0, 0.95]), (40, [1.0, 0.4])), {"error"}),
        (
            recall_file([2.0, 3.0], (12, [0.5, 0.2]), (40, [0.1, 0.05])),
            {"error", "support", "error_small", "support_small"},
        ),
        (recall_file([0.1, 0.8, 3.0], (12, [1.0, 0.95, 0.2])), {"support", "support_small"}),
        (recall_file([0.1, 3.0], (12, [1.0, 0.2]), (40, [1.0, 0.1])), {"support", "error_small"}),
    ],
)
def test_sweeps_that_lack_a_setting_decide_nothing_and_say_which(file: dict, undecided: set[str]) -> None:
    tests = judged(recall=file)
    found = {name for name, test in tests.items() if test.estimate.reason.startswith("lab.recall lacks")}
    assert found == {f"recall_lost_to_{end}" for end in undecided}
    assert all(tests[name].verdict == INCONCLUSIVE for name in found)


@pytest.mark.parametrize("count", [3, 6, 20, 40])
def test_an_error_that_is_small_loses_less_recall_than_the_limit(count: int) -> None:
    """By the disc of a quarter of the spacing alone, and so do the controls by a theorem, not by a computation."""
    least = 1 - np.exp(-1 / 32 / SMALL**2)
    assert 1 - least < THRESHOLDS["recall_lost"].value / 2
    assert recall_probability(equidistant(count), SMALL * spacing(count)) >= least
    assert recall_probability(equidistant(count), LARGE * spacing(count)) < 0.8


def test_numerical_errors_are_within_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    train, deltas = equidistant(7), (0.3, 1.0, 3.0)
    usual = [recall_probability(train, delta) for delta in deltas]
    monkeypatch.setattr("diffbench.lab.recall.ANGLES", 2**14)
    np.testing.assert_allclose(usual, [recall_probability(train, delta) for delta in deltas], atol=RECALL_ERROR / 10)
    for delta in (0.6, 2.4):
        level = np.array([1.1])
        usual_gap, fine_gap = (symmetric_curve(20, delta, sigmas=level, tolerance=t).gap for t in (TOLERANCE, 1e-6))
        np.testing.assert_allclose(usual_gap, fine_gap, rtol=GAP_ERROR)


def test_a_laboratory_without_its_files_is_inconclusive_and_none_has_no_tests(tmp_path: Path) -> None:
    without = parse_study({key: value for key, value in CIRCLE.items() if key != "lab"}, "plane.yaml")
    assert laboratory_tests(Reader(Lineage(without), tmp_path)) == ()
    tests = laboratory_tests(Reader(Lineage(circle_study()), tmp_path))
    assert {test.name: test.control for test in tests} == NAMES
    assert {test.verdict for test in tests} == {INCONCLUSIVE}
    assert all("no such file" in test.estimate.reason for test in tests)
