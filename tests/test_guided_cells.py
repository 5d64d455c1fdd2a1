"""Guidance as a factor: the cells and trainings that its values mean, every mistake, and the sampler against a loop."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffbench import cli
from diffbench.conventions import DiffbenchError, karras_sigmas
from diffbench.data.training_set import read_training_set
from diffbench.denoisers.build import fresh_network
from diffbench.files import store
from diffbench.files.checkpoint import read_checkpoint
from diffbench.noise import sample_noise
from diffbench.planning.cost import guided_share
from diffbench.planning.jobs import jobs
from diffbench.report.tables.slices import slices
from diffbench.settings.guidance import Guidance
from diffbench.settings.models import PRESETS
from diffbench.settings.sampling import SamplingSettings
from diffbench.stages.sample import sample_labels
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from tests.snakemake_runs import TINY

BY_SMALL = {"weight": 1.0, "model": "mlp-small"}
EARLIER = {"weight": 0.5, "step": 4}
BOTH = {"weight": 2, "model": "mlp-small", "step": 4, "interval": [0.1, 2]}
CENTER = {"model": "mlp-medium", "train_size": 20, "granularity": "classes", "guidance": 0}


def study(guidance: list, center: dict | None = None, **changes) -> Study:
    sweeps = [{"guidance": guidance}]
    return parse_study(TINY | {"center": CENTER | (center or {}), "sweeps": sweeps} | changes, "t.yaml")


def cells_of(planned: Study) -> set[tuple[str, int, str]]:
    return {(c.checkpoint.run.model, c.checkpoint.step, c.guidance.label) for c in planned.cells}


def test_labels_and_words():
    values = [0, 1.5, BY_SMALL, EARLIER, BOTH, {"weight": 1, "interval": [0, 0.5]}, {"weight": 1}]
    found = [Guidance.parse(value, "t") for value in values]
    assert [each.label for each in found] == [
        "0", "1.5", "1_by-mlp-small", "0.5_at-4", "2_by-mlp-small_at-4_in-0.1-2", "1_in-0-0.5", "1"
    ]  # fmt: skip
    assert [each.text for each in found][2:6] == [
        "1 by mlp-small",
        "0.5 by itself at step 4",
        "2 by mlp-small at step 4, σ in (0.1, 2]",
        "1, σ in (0, 0.5]",
    ]
    assert found[6] == Guidance(weight=1.0)


NUMBERS = st.floats(0.001, 1000, allow_nan=False).map(lambda value: round(value, 4))
VALUES = st.builds(
    lambda weight, model, step, ends: Guidance(weight=weight, model=model, step=step, interval=ends),
    NUMBERS,
    st.sampled_from([None, "a", "a-1", "at-1", "by-a"]),
    st.none() | st.integers(1, 50),
    st.none() | st.tuples(NUMBERS, NUMBERS).filter(lambda ends: ends[0] < ends[1]),
)


@given(VALUES, VALUES)
def test_labels_tell_values_apart_and_files_keep_them(one, other):
    assert (one.label == other.label) == (one == other)
    assert (one < other) + (other < one) + (one == other) == 1
    assert Guidance.parse_json(one.model_dump_json(), "t") == one
    assert "/" not in one.label


def test_natural_order_is_by_kind_then_weight():
    planned = study([10, BY_SMALL, 2, EARLIER, {"weight": 1, "interval": [0.1, 2]}, 0])
    assert list(planned.guidances) == ["0", "2", "10", "1_in-0.1-2", "0.5_at-4", "1_by-mlp-small"]
    (cut,) = [cut for cut in slices(planned) if cut.factor == "guidance"]
    assert cut.values[:3] == ("0", "2", "10")
    assert not cut.numbers
    (plain,) = [cut for cut in slices(study([10, 2, 0])) if cut.factor == "guidance"]
    assert plain.numbers


def test_a_guide_is_trained_no_further_than_what_it_guides():
    planned = study([BY_SMALL, EARLIER, BOTH, {"weight": 1, "model": "mlp-small", "step": 12}])
    assert cells_of(planned) == {
        ("mlp-medium", 4, "0"),
        ("mlp-medium", 4, "1_by-mlp-small"),
        ("mlp-medium", 4, "2_by-mlp-small_at-4_in-0.1-2"),
        ("mlp-medium", 12, "0"),
        ("mlp-medium", 12, "0.5_at-4"),
        ("mlp-medium", 12, "1_by-mlp-small"),
        ("mlp-medium", 12, "1_by-mlp-small_at-12"),
        ("mlp-medium", 12, "2_by-mlp-small_at-4_in-0.1-2"),
    }
    assert {run.model: steps for run, steps in planned.milestones.items()} == {
        "mlp-medium": [4, 12],
        "mlp-small": [4, 12],
    }
    assert {run.model for run in planned.runs} == {"mlp-medium"}  # the guide is trained, not measured
    assert not [file for file in planned.files if file.startswith("mlp-small")]


def test_an_unconditional_model_can_be_autoguided_but_not_classifier_free():
    planned = study([1, {"weight": 1, "interval": [0.1, 2]}, BY_SMALL], sweeps=[
        {"granularity": ["none", "classes"], "guidance": [0, 1, {"weight": 1, "interval": [0.1, 2]}, BY_SMALL]}
    ])  # fmt: skip
    labels = {c.guidance.label for c in planned.cells if c.checkpoint.run.granularity == "none"}
    assert labels == {"0", "1_by-mlp-small"}


def test_closed_forms_guide_without_a_checkpoint_and_are_guided_by_milestones():
    sweeps = [
        {"guidance": [{"weight": 1, "model": "constant"}]},
        {"model": ["optimal"], "guidance": [BY_SMALL, {"weight": 1, "model": "mlp-small", "step": 4}, EARLIER]},
        {"model": ["mlp-large"], "step": [12], "guidance": [BY_SMALL, EARLIER]},
    ]
    planned = study([], sweeps=sweeps)
    guided = {cell for cell in cells_of(planned) if cell[0] != "mlp-large" and cell[2] != "0"}
    assert guided == {
        ("mlp-medium", 4, "1_by-constant"),
        ("mlp-medium", 12, "1_by-constant"),
        ("optimal", 0, "1_by-mlp-small_at-4"),  # without a step there would be no telling which
    }
    assert {(run.model, *steps) for run, steps in planned.milestones.items()} == {
        ("mlp-medium", 4, 12), ("mlp-small", 4, 12), ("mlp-large", 4, 12), ("optimal", 0)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("guidance", "message"),
    [
        ("strong", "key 'sweeps.0.guidance.0': give a number w, or a mapping"),
        (True, "key 'sweeps.0.guidance.0': give a number w, or a mapping"),
        ({"model": "mlp-small"}, "key 'sweeps.0.guidance.0.weight': field required"),
        ({"weight": 1, "modl": "mlp-small"}, "key 'sweeps.0.guidance.0.modl' is unknown"),
        ({"weight": 1, "interval": [2, 0.1]}, "interval [2.0, 0.1] is empty: give [lo, hi] with 0 <= lo < hi"),
        ({"weight": 1, "interval": [-1, 2]}, "interval [-1.0, 2.0] is empty"),
        ({"weight": 1, "interval": [1]}, "key 'sweeps.0.guidance.0.interval.1'"),
        ({"weight": 0, "model": "mlp-small"}, "weight 0 is off, with whatever model, step or interval: write 0 alone"),
        ({"weight": 0, "interval": [0.1, 2]}, "write 0 alone"),
        ({"weight": 1, "model": "gpt"}, "key 'sweeps.0.guidance': unknown model 'gpt', known are"),
        ({"weight": 1, "model": "half"}, "model 'half' is planted, it has no denoiser to guide with"),
        ({"weight": 1, "model": "optimal", "step": 4}, "model 'optimal' is not trained, it has no step 4"),
        ({"weight": 1, "step": 7}, "key 'sweeps.0.guidance': step 7 is not among the steps [4, 12]"),
        ({"weight": 1, "model": "mlp-medium"}, "'mlp-medium' cannot guide itself at the same step"),
        ({"weight": 1, "step": 12}, "key 'sweeps.0.guidance': 1 by itself at step 12 is left with no cell"),
    ],
)
def test_mistakes_are_named(guidance, message):
    with pytest.raises(DiffbenchError) as caught:
        study([guidance], models={"half": {"kind": "planted", "copies": 0.5}})
    assert message in str(caught.value)
    assert str(caught.value).startswith("t.yaml: ")
    assert "\n" not in str(caught.value)


def test_classifier_free_guidance_without_conditions_is_left_with_no_cell():
    with pytest.raises(DiffbenchError, match=r"key 'sweeps.0.guidance': 1 is left with no cell"):
        study([1], center={"granularity": "none"})


def test_plan_counts_trainings_and_evaluations_of_guides():
    plain, guided = study([0]), study([BY_SMALL, EARLIER])
    assert jobs(plain)["train"] == 2
    assert jobs(guided)["train"] == 4
    assert jobs(study([BY_SMALL], pairs=True))["train"] == 8  # guides of twins are twins of guides
    sigmas = karras_sigmas(18)
    within = sum(0.1 < sigma <= 2 for sigma in sigmas) / 18
    limited = Guidance(weight=1, interval=(0.1, 2.0))
    assert guided_share(limited, SamplingSettings()) == pytest.approx(within)
    assert [guided_share(Guidance(weight=w), SamplingSettings()) for w in (0, 1)] == [0, 1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Data, conditions, two checkpoints of mlp-medium and one of mlp-small, by the command line."""
    folder = tmp_path_factory.mktemp("guided")
    planned = study([0])
    inputs = ["--data", str(folder / "data.h5"), "--conditions", str(folder / "conditions.h5")]
    assert cli.main(["data", "--spec", planned.data.model_dump_json(), "--out", inputs[1]]) == 0
    spec = Lineage(planned).spec_json("conditions", {"train_size": 20, "granularity": "classes"})
    assert cli.main(["conditions", "--spec", spec, "--data", inputs[1], "--out", inputs[3]]) == 0
    for model, step in (("mlp-medium", 4), ("mlp-medium", 12), ("mlp-small", 12)):
        factors = {"model": model, "train_size": 20, "granularity": "classes", "seed": 0, "step": step}
        out = str(folder / f"{model}-{step}.pt")
        assert cli.main(["train", "--spec", Lineage(planned).spec_json("train", factors), *inputs, "--out", out]) == 0
    return folder


def sampled(folder: Path, guidance: dict, guide: str) -> np.ndarray:
    """Samples of mlp-medium at step 12, drawn by the command line."""
    planned = study([guidance])
    label = Guidance.parse(guidance, "t").label
    run = {"model": "mlp-medium", "train_size": 20, "granularity": "classes", "seed": 0}
    factors = run | {"step": 12, "guidance": label}
    arguments = ["--data", folder / "data.h5", "--conditions", folder / "conditions.h5", "--guide", folder / guide]
    files = ["--out", folder / "s.h5", "--trajectories", folder / "t.h5", "--checkpoint", folder / "mlp-medium-12.pt"]
    spec = ["sample", "--spec", Lineage(planned).spec_json("sample", factors)]
    assert cli.main([*spec, *map(str, [*arguments, *files])]) == 0
    written = store.read(folder / "s.h5", "sample")
    assert written.attributes["factors"]["guidance"] == label
    return written["samples"]


def network(folder: Path, name: str, labels: int):
    model = fresh_network(PRESETS[name.rpartition("-")[0]], (1, 8, 8), labels, seed=0)  # pyright: ignore
    model.load_state_dict(read_checkpoint(folder / f"{name}.pt")["ema"])
    return model.eval()


@pytest.mark.parametrize(
    ("guidance", "guide"),
    [
        (BY_SMALL, "mlp-small-12"),
        (EARLIER, "mlp-medium-4"),
        ({"weight": 1.5, "model": "mlp-small", "step": 12, "interval": [0.1, 5]}, "mlp-small-12"),
        ({"weight": 1.5, "interval": [0.1, 5]}, None),
    ],
    ids=["model", "milestone", "both in an interval", "classifier-free in an interval"],
)
@torch.no_grad()
def test_samples_equal_those_of_a_loop_by_hand(trained, guidance, guide):
    """Heun's method written out, on D + w (D - D_neg) of the two loaded networks."""
    found = sampled(trained, guidance, f"{guide or 'mlp-small-12'}.pt")
    images = read_training_set(trained / "data.h5", trained / "conditions.h5")
    strong = network(trained, "mlp-medium-12", images.label_count)
    weak = network(trained, guide, images.label_count) if guide else strong
    low, high = guidance.get("interval", (0, 1e9))
    label = torch.from_numpy(sample_labels(images, 24))

    def denoised(x: torch.Tensor, sigma: float) -> torch.Tensor:
        level = torch.full((len(x),), sigma, dtype=x.dtype)
        estimate = strong(x, level, label)
        if not low < sigma <= high:
            return estimate
        return estimate + guidance["weight"] * (estimate - weak(x, level, label if guide else None))

    levels = [*karras_sigmas(5), 0.0]
    x = torch.from_numpy(sample_noise(0, 24, 64)).double().view(24, 1, 8, 8) * levels[0]
    for here, there in itertools.pairwise(levels):
        slope = (x - denoised(x, here)) / here
        following = x + (there - here) * slope
        if there > 0:
            following = x + (there - here) * (slope + (following - denoised(following, there)) / there) / 2
        x = following
    np.testing.assert_allclose(found, x.float().numpy(), atol=2e-5)
    assert np.abs(found - unguided(trained)).max() > 1e-3


def unguided(folder: Path) -> np.ndarray:
    return sampled(folder, 0, "mlp-small-12.pt")  # pyright: ignore
