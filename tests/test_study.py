"""Study files: what they mean, and that every mistake is one clear line naming file and key."""

import json
import re
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from diffbench.conventions import DiffbenchError
from diffbench.settings.models import PRESETS
from diffbench.study.file import load_study, parse_study
from diffbench.study.grid import Checkpoint
from diffbench.study.lineage import Lineage
from diffbench.study.specs import TrainSpec
from diffbench.study.study import Study

BASE = {"name": "t", "steps": [10, 20], "seeds": [0]}
STUDIES = sorted([Path("config/config.yaml"), *Path("config/studies").glob("*.yaml")])


def study(**changes) -> Study:
    return parse_study(BASE | changes, "t.yaml")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_of_the_repository_is_valid_and_named_after_its_file(path):
    loaded = load_study(path)
    assert loaded.cells
    assert path.stem in (loaded.name, "config")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_of_the_repository_says_what_it_costs(path):
    head = " ".join(takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())).replace("# ", "")
    assert re.search(r"(\d+ (seconds|minutes|hours) (on|of) \w+)|\d+ core-hours", head), (
        f"{path}: say in the comment at its head what it costs"
    )


def test_schema_is_generated_from_the_study_model():
    assert json.loads(Path("config/schema.json").read_text()) == Study.model_json_schema(), (
        "config/schema.json is out of date: run `python -m diffbench schema > config/schema.json`"
    )


def test_studies_match_the_schema():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path("config/schema.json").read_text())
    for path in STUDIES:
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(BASE | {"stps": []}, schema)


def test_star_varies_one_factor_at_a_time_around_the_centre():
    cells = study(
        center={"model": "mlp-small", "train_size": 64, "granularity": "classes", "guidance": 0},
        sweeps=[{"train_size": [32, 64, 128]}, {"granularity": ["none", "classes"]}, {"guidance": [0, 2]}],
    ).cells
    points = {(c.checkpoint.run.train_size, c.checkpoint.run.granularity, c.guidance.weight) for c in cells}
    assert points == {
        (64, "classes", 0),
        (32, "classes", 0),
        (128, "classes", 0),
        (64, "none", 0),
        (64, "classes", 2),
    }
    assert len(cells) == len(points) * 2  # milestones
    assert cells[0].path == "mlp-small/n32/classes/seed0/step10/w0"


def test_full_factorial_is_one_sweep_and_guidance_without_conditions_is_left_out():
    cells = study(
        seeds=[0, 1],
        sweeps=[{"model": ["mlp-small", "mlp-large"], "granularity": ["none", "unique"], "guidance": [0, 1.5]}],
    ).cells
    own = [c for c in cells if c.checkpoint.run.model != "mlp-medium"]
    assert len(own) == 2 * (1 + 2) * 2 * 2


def test_untrained_models_have_one_checkpoint_at_step_0_and_planted_samples_no_denoiser():
    planned = study(models={"half": {"kind": "planted", "copies": 0.5}}, sweeps=[{"model": ["optimal", "half"]}])
    steps = {(c.run.model, c.step) for c in planned.checkpoints}
    assert steps == {("mlp-medium", 10), ("mlp-medium", 20), ("optimal", 0), ("half", 0)}
    assert "optimal/n256/classes/seed0/step0/denoise.h5" in planned.files
    assert "half/n256/classes/seed0/step0/denoise.h5" not in planned.files
    assert "half/n256/classes/seed0/step0/w0/memorization.h5" in planned.files


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6, unique=True))
def test_milestones_form_a_chain_from_fresh_weights(steps):
    planned = study(steps=steps)
    run = planned.runs[0]
    chain, before = [], [max(steps)]
    while before:
        chain.append(before[-1])
        before = planned.milestones_before(Checkpoint(run, before[-1]))
    assert chain[::-1] == sorted(steps)


def test_a_sweep_may_name_the_steps_that_it_means():
    planned = study(steps=[10, 20], sweeps=[{"train_size": [32], "step": [20]}, {"guidance": [1], "step": [20]}])
    assert {(c.run.train_size, c.step) for c in planned.checkpoints} == {(256, 10), (256, 20), (32, 20)}
    assert {(c.checkpoint.run.train_size, c.checkpoint.step, c.guidance.weight) for c in planned.cells} == {
        (256, 10, 0), (256, 20, 0), (256, 20, 1), (32, 20, 0)
    }  # fmt: skip
    before = {c.run.train_size: planned.milestones_before(c) for c in planned.checkpoints if c.step == 20}
    assert before == {256: [10], 32: []}


@given(st.permutations([{"train_size": [32, 512]}, {"guidance": [0, 1]}, {"model": ["mlp-small", "mlp-large"]}]))
def test_order_of_sweeps_does_not_matter(sweeps):
    assert study(sweeps=sweeps).cells == study(sweeps=sweeps[::-1]).cells


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stps": [1]}, "key 'stps' is unknown"),
        ({"sampling": {"step": 3}}, "key 'sampling.step' is unknown"),
        ({"steps": ["many"]}, "key 'steps.0': input should be a valid integer"),
        ({"steps": []}, "key 'steps': list should have at least 1 item"),
        ({"steps": [5, 5]}, "key 'steps': values repeat"),
        ({"steps": [1.5]}, "key 'steps.0'"),
        ({"sweeps": [{}]}, "key 'sweeps.0': an empty sweep"),
        ({"sweeps": [{"step": [7]}]}, "key 'sweeps.0.step': 7 is not among the steps [10, 20]"),
        ({"sweeps": [{"model": []}]}, "key 'sweeps.0.model': list should have at least 1 item"),
        ({"sweeps": [{"train_size": [5000]}]}, "key 'sweeps.0.train_size': 5000 is beyond the 1228 images"),
        ({"center": {"model": "gpt"}}, "key 'center.model': unknown model 'gpt', known are"),
        ({"center": {"granularity": "kmeans-300"}}, "'kmeans-300': 300 labels are beyond the train_size 256"),
        ({"center": {"granularity": "groups-11"}}, "has only 10 classes to group"),
        ({"center": {"granularity": "some"}}, "key 'center.granularity'"),
        ({"data": {"name": "imagenet"}}, "key 'data.name': unknown data set 'imagenet', known are"),
        ({"sampling": {"sigma_min": -0.1}}, "key 'sampling.sigma_min': input should be greater than 0"),
        ({"sampling": {"sigma_min": 5, "sigma_max": 1}}, "key 'sampling': sigma_min must be below sigma_max"),
        ({"training": {"learning_rate": float("nan")}}, "key 'training.learning_rate'"),
        ({"models": {"summary": {"kind": "constant"}}}, "'summary' is the name of a folder of the results"),
        ({"name": "../up"}, "key 'name'"),
        ({"sampling": {"samples": 10**12}}, "key 'sampling.samples': input should be less than or equal to"),
        ({"threads": 10**9}, "key 'threads': input should be less than or equal to"),
        ({"seeds": [2**70]}, "key 'seeds.0': input should be less than"),
        ({"steps": [10**12]}, "key 'steps.0': input should be less than or equal to"),
        ({"measures": {"gap": {"noises": 10**7}}}, "key 'measures.gap.noises': input should be less than or equal to"),
        ({"models": {"m": {"kind": "mlp", "width": 10**9, "blocks": 1}}}, "key 'models.m.mlp.width': input should be"),
        (
            {"sweeps": [{"train_size": list(range(2, 1002)), "guidance": list(range(10_000)), "step": [10]}]},
            "key 'sweeps': 20,000,002 cells are beyond 10,000,000",
        ),
    ],
)
def test_mistakes_are_named_by_file_and_key(changes, message):
    with pytest.raises(DiffbenchError) as caught:
        study(**changes)
    assert message in str(caught.value)
    assert "t.yaml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(DiffbenchError, match=r"none\.yaml: cannot be read: No such file"):
        load_study(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [")
    with pytest.raises(DiffbenchError, match=r"broken\.yaml: not valid YAML"):
        load_study(broken)
    broken.write_text("just text")
    with pytest.raises(DiffbenchError, match="a study is a mapping"):
        load_study(broken)


def test_config_readme_names_every_key_of_settings_with_its_default():
    text = Path("config/README.md").read_text()

    def check(prefix: str, record: BaseModel) -> None:
        for name, field in type(record).model_fields.items():
            value = getattr(record, name)
            if isinstance(value, BaseModel):
                check(f"{prefix}.{name}", value)
            else:
                default = "" if value is None else value
                assert f"| `{prefix}.{name}` | {default} | {field.description} |" in text, f"{prefix}.{name}"

    planned = study()
    for section in ("training", "sampling", "measures", "report"):
        check(section, getattr(planned, section))


VARIED = {
    "data": {"name": "digits"},
    "models": {
        "own": {"kind": "unet", "channels": 16, "multipliers": [1, 2], "blocks": 1},
        "own-dropout": {"kind": "variant", "of": "own", "dropout": 0.3},
        "flipped": {"kind": "variant", "of": "mlp-small", "horizontal_flip": True, "dropout": 0.0},
    },
    "training": {"dropout": 0.1},
    "center": {"model": "mlp-small"},
    "sweeps": [{"model": ["own", "own-dropout", "flipped"]}],
}


def test_variants_make_dropout_and_flips_factors_of_one_study():
    """Each run is trained as its model says; of what a variant leaves out, the study's settings holds."""
    varied = study(**VARIED)
    trained = {}
    for run in varied.runs:
        spec = TrainSpec.parse_json(Lineage(varied).spec_json("train", run.factors | {"step": 10}), "spec")
        trained[run.model] = (spec.model, spec.training.dropout, spec.training.horizontal_flip)
    own = varied.models["own"]
    assert trained == {
        "mlp-small": (PRESETS["mlp-small"], 0.1, False),
        "own": (own, 0.1, False),
        "own-dropout": (own, 0.3, False),
        "flipped": (PRESETS["mlp-small"], 0.0, True),
    }


def test_a_variant_beside_a_model_changes_nothing_of_its_runs():
    """Neither paths nor specs, so that finished checkpoints of the model stay valid."""
    varied, plain = study(**VARIED), study(**VARIED | {"sweeps": [], "models": {}})
    assert set(plain.cells) < set(varied.cells)
    factors = plain.checkpoints[0].factors
    assert Lineage(varied).spec("train", factors) == Lineage(plain).spec("train", factors)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ({"of": "optimal", "dropout": 0.3}, "key 'models.v.of': 'optimal' is no trained model"),
        ({"of": "v", "dropout": 0.3}, "key 'models.v.of': 'v' is no trained model"),
        ({"of": "own-dropout", "dropout": 0.4}, "key 'models.v.of': 'own-dropout' is no trained model"),
        ({"of": "gone", "dropout": 0.3}, "key 'models.v.of': 'gone' is no trained model"),
        ({"of": "own"}, "key 'models.v': trains as 'own' does"),
        ({"of": "own", "dropout": 0.1}, "key 'models.v': trains as 'own' does"),
        ({"of": "own", "droput": 0.2}, "droput' is unknown"),
        ({"of": "own", "dropout": 1}, "less than 1"),  # as of training.dropout; in a job it would be too late
    ],
)
def test_variants_of_nothing_are_refused(variant, message):
    models = VARIED["models"] | {"v": {"kind": "variant"} | variant}
    with pytest.raises(DiffbenchError, match=message):
        study(**VARIED | {"models": models})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data": {"name": "digits", "resize": 7}, "center": {"model": "unet-tiny"}},
            "t.yaml: key 'center.model': 'unet-tiny': .*images of 1x7x7 have sides that 2 does not divide; give fewer",
        ),
        (
            {"data": {"name": "digits", "resize": 7}, "sweeps": [{"model": ["dit-tiny"]}]},
            "t.yaml: key 'sweeps.0.model': 'dit-tiny': .*1x7x7 .* give another patch",
        ),
        (
            {
                "data": {"name": "moons", "points": 512},
                "center": {"granularity": "none"},
                "training": {"horizontal_flip": True},
            },
            "t.yaml: key 'center.model': 'mlp-medium': horizontal_flip: the data are no images",
        ),
    ],
)
def test_models_that_cannot_take_the_images_are_refused_before_any_job(changes, message):
    with pytest.raises(DiffbenchError, match=message):
        study(**changes)


def test_the_users_own_files_are_named_once_as_the_study_names_them(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    for name in ("pool", "held"):
        np.save(tmp_path / f"{name}.npy", np.zeros((40, 8, 8), np.uint8))
    given = {name: str(tmp_path / name) for name in ("pool.npy", "held.npy", "weights", "e.pt")}
    external = {"import": "a:b", "weights": given["weights"], "range": [0, 1]}
    named = study(
        data={"name": "file", "path": given["pool.npy"], "held_out": given["held.npy"]},
        models={"theirs": external, "again": external, "bare": {"import": "a:b"}},
        center={"model": "theirs", "train_size": 20, "granularity": "none"},
        measures={"quality": {"space": "encoder", "encoder": given["e.pt"]}},
    )
    assert named.user_files == sorted(given.values())
    assert study().user_files == []
