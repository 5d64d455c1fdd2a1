"""Models from outside: called in their own pixel scale, exactly, and every mistake is one clear line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.build import describe, load_denoiser
from diffbench.files.fingerprint import contents_of
from diffbench.settings.models import External
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from tests.external_models import Shrinking

CPU = torch.device("cpu")
SHRINKING = "tests.external_models:shrinking"
BROKEN = "tests.external_models:broken"
WRITING = "tests.external_models:writing"
ENDING = "tests.external_models:ending"


def training_set(scale: float = 0.008, mean: float = 110.0, labels: int = 3, raw_type: str = "uint8") -> TrainingSet:
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (6, 1, 4, 4))
    images = ((raw - mean) * scale).astype(np.float32)
    classes = np.arange(6) % labels
    return TrainingSet(
        images,
        classes,
        images[:2],
        classes[:2],
        labels,
        images[:2],
        Scaling(mean, scale),
        raw_type,
        classes,
        classes[:2],
    )


def external(name: str = SHRINKING, **keys: Any) -> External:
    return External.parse({"import": name} | keys, "models.theirs")


def called(name: str, arguments: dict[str, Any]) -> Any:
    """What a model makes of ones."""
    denoiser = load_denoiser(external(name, scale="suite", arguments=arguments), training_set(), None, CPU)
    return denoiser(torch.ones(2, 1, 4, 4), torch.ones(2), None)


SCALES = {
    "suite": lambda x, data: x,
    "raw": lambda x, data: x / data.scaling.scale + data.scaling.mean,
    "minus-one-one": lambda x, data: (x / data.scaling.scale + data.scaling.mean) / 127.5 - 1,
    "zero-one": lambda x, data: (x / data.scaling.scale + data.scaling.mean) / 255,
}


@pytest.mark.parametrize("scale", SCALES)
@settings(max_examples=20, deadline=None)
@given(sigma=st.floats(0.002, 80), factor=st.floats(1e-3, 10), mean=st.floats(-50, 200), label=st.booleans())
def test_pixels_and_noise_are_converted_to_the_model_and_its_estimate_back(scale, sigma, factor, mean, label) -> None:
    data = training_set(factor, mean)
    keys: dict[str, Any] = {"range": [0, 255]} if "one" in scale else {}
    definition = external(scale=scale, arguments={"shift": 0.1}, **keys)
    denoiser = load_denoiser(definition, data, None, CPU)
    x = torch.from_numpy(data.train).double() + sigma
    labels = torch.from_numpy(data.train_labels)
    denoised = denoiser(x, torch.full((6,), sigma, dtype=torch.float64), labels if label else None)
    # By hand: to the model's pixels, its formula, and back, in float64.
    theirs = SCALES[scale](x, data)
    q = float(SCALES[scale](0.0, data))
    p = float(SCALES[scale](1.0, data)) - q
    with torch.no_grad():
        by_hand = Shrinking(-0.4, 0.3, 0.1).double()(theirs, torch.full((6,), p * sigma), labels if label else None)
    expected = (by_hand - q) / p
    size = (theirs.abs().max() + 1) / p
    assert denoised.dtype == torch.float64
    assert float((denoised - expected).abs().max() / size) < 3e-5


def test_a_study_without_conditions_hands_no_label_on() -> None:
    one_label = load_denoiser(external(arguments={"shift": 0.5}), training_set(labels=1), None, CPU)
    x, sigma, label = torch.zeros(2, 1, 4, 4), torch.ones(2), torch.ones(2, dtype=torch.int64)
    assert torch.equal(one_label(x, sigma, label), one_label(x, sigma, None))
    conditional = load_denoiser(external(arguments={"shift": 0.5}), training_set(), None, CPU)
    assert not torch.equal(conditional(x, sigma, label), conditional(x, sigma, None))


def test_weights_are_handed_over_as_a_path_and_sizes_are_counted(tmp_path: Path) -> None:
    torch.save({"mean": torch.tensor(0.7)}, tmp_path / "w.pt")
    denoiser: Any = load_denoiser(external(weights=str(tmp_path / "w.pt")), training_set(), None, CPU)
    assert float(denoiser.network.mean) == pytest.approx(0.7)
    assert not denoiser.network.training
    assert describe(denoiser, (1, 4, 4)) == {"parameters": 1, "flops_per_image": 0}
    function = load_denoiser(external(BROKEN, arguments={"how": "shape"}), training_set(), None, CPU)
    assert describe(function, (1, 4, 4)) == {}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("none", "returned None; a tensor of shape (2, 1, 4, 4) is expected"),
        ("array", "returned a value of type numpy.ndarray; a tensor"),
        ("shape", "returned shape (2, 1, 3, 4); (2, 1, 4, 4) is expected"),
        ("batch", "returned shape (1, 1, 4, 4); (2, 1, 4, 4) is expected"),
        ("nan", "returned NaN or infinite values at sigma = 2"),
        ("inf", "returned NaN or infinite values at sigma = 0.5"),
        ("half", "returned torch.float16; torch.float32 is expected"),
        ("whole", "returned torch.int64; torch.float32 is expected"),
        ("raises", "D(x, sigma, label), without a label, raised RuntimeError: "),
        ("needs label", "without a label, raised AttributeError: 'NoneType' object has no attribute 'view'"),
    ],
)
def test_what_is_no_estimate_of_the_images_is_refused(how: str, message: str) -> None:
    denoiser = load_denoiser(external(BROKEN, scale="suite", arguments={"how": how}), training_set(), None, CPU)
    with pytest.raises(DiffbenchError) as caught:
        denoiser(torch.ones(2, 1, 4, 4), torch.tensor([0.5, 2.0]), None)
    assert f"model '{BROKEN}': " in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"import": "no_such_package.m:f"}, "no_such_package.m cannot be imported: ModuleNotFoundError: No module"),
        ({"import": "tests.external_models:nothing"}, "external_models.py has no 'nothing'"),
        ({"import": "tests.external_models:not_a_function"}, "has no function 'not_a_function'"),
        ({"arguments": {"width": 3}}, "the factory raised TypeError: shrinking() got an unexpected keyword"),
        ({"import": BROKEN, "arguments": {"how": "factory raises"}}, "raised ValueError: no such width at all (exte"),
        ({"import": BROKEN, "arguments": {"how": "no function"}}, "returned a value of type builtins.int; a function"),
        ({"weights": "none.pt"}, "weights: none.pt: no such file or folder"),
    ],
)
def test_a_factory_that_fails_is_one_clear_line(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(DiffbenchError) as caught:
        load_denoiser(external(**{"name": keys.pop("import", SHRINKING)} | keys), training_set(), None, CPU)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", ["suite", "raw"])
@pytest.mark.parametrize("returns", ["its own buffer", "its input"])
@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 5), double=st.booleans())
def test_a_model_may_write_into_what_it_is_handed_and_use_its_memory_again(scale, returns, count, double) -> None:
    data = training_set(1.0, 0.0) if scale == "suite" else training_set()
    denoiser = load_denoiser(external(WRITING, scale=scale, arguments={"returns": returns}), data, None, CPU)
    handed = [torch.randn(count, 1, 4, 4), torch.rand(count) + 1, torch.arange(count)]
    handed = [value.double() if double and value.is_floating_point() else value for value in handed]
    before = [value.clone() for value in handed]
    first = denoiser(*handed)
    kept = first.clone()
    denoiser(torch.zeros_like(handed[0]), *handed[1:])
    assert all(torch.equal(value, old) for value, old in zip(handed, before, strict=True))
    assert torch.equal(first, kept)
    first.zero_()
    assert torch.equal(denoiser(*handed), kept)
    again = handed[0].clone()
    handed[0].zero_()
    assert torch.equal(kept, denoiser(again, *handed[1:]))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("exit", "the factory raised SystemExit: enough (external_models.py:"),
        ("parser", "train.py: error: the following arguments are required: --data; it must neither exit nor parse"),
        ("base exception", "the factory raised BaseExceptionGroup: several (1 sub-exception) (external_models.py:"),
        ("exit called", "D(x, sigma, label), without a label, raised SystemExit: enough (external_models.py:"),
        ("parser called", "train.py: error: the following arguments are required: --data; it must neither exit nor p"),
        ("base exception called", "D(x, sigma, label), without a label, raised BaseExceptionGroup: several"),
    ],
)
def test_a_model_that_ends_the_program_is_one_line_and_no_usage_text(how, message, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["diffbench", "--data", "the suite's own"])
    with pytest.raises(DiffbenchError) as caught:
        called(ENDING, {"how": how})
    assert str(caught.value).startswith(f"model '{ENDING}': ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    written = capsys.readouterr()
    assert not written.out
    assert "usage" not in written.err


@pytest.mark.parametrize("how", ["interrupt", "interrupt called"])
def test_control_c_is_no_mistake_of_the_model(how) -> None:
    with pytest.raises(KeyboardInterrupt):
        called(ENDING, {"how": how})


PARSING = """
import argparse, logging, sys
print("imported")
logging.basicConfig()
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, {keys})
options = parser.parse_args()

def factory():
    print("made")
    def denoise(x, sigma, label):
        print("called")
        logging.warning("logged")
        return options.steps * x
    return denoise
"""


def test_a_module_that_parses_arguments_sees_none_of_the_suites(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "parses_alone.py").write_text(PARSING.format(keys="default=2"))
    (tmp_path / "parses_needing.py").write_text(PARSING.format(keys="required=True"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.argv", ["diffbench", "--steps", "3"])
    assert torch.equal(called("parses_alone:factory", {}), torch.full((2, 1, 4, 4), 2.0))
    written = capsys.readouterr()
    assert not written.out
    for text in ("imported", "made", "called"):
        assert text in written.err
    with pytest.raises(DiffbenchError, match=r"^model 'parses_needing:factory': parses_needing cannot be imp.*: --s"):
        load_denoiser(external("parses_needing:factory"), training_set(), None, CPU)
    written = capsys.readouterr()
    assert not written.out + written.err


def test_a_factory_beside_the_study_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_the_study.py").write_text("def factory():\n    return lambda x, sigma, label: 0 * x\n")
    monkeypatch.setattr("sys.path", [path for path in __import__("sys").path if path])
    monkeypatch.chdir(tmp_path)
    denoiser = load_denoiser(external("beside_the_study:factory", scale="suite"), training_set(), None, CPU)
    assert not denoiser(torch.ones(2, 1, 4, 4), torch.ones(2), None).any()


@pytest.mark.parametrize(
    ("raw_type", "factor", "shift", "message"),
    [
        ("float32", 1, 0, r"such as range: \[0, 255\]; the images are stored as float32, .* lie in \[0, 255\]"),
        ("float32", 1 / 255, 0, r"such as range: \[0, 1\]; .* lie in \[0, 1\] \(0 to 1\)"),
        ("float32", 2 / 255, -1, r"such as range: \[-1, 1\]; .* lie in \[-1, 1\] \(-1 to 1\)"),
        ("float32", 4.7 / 255, -2.1, r"such as scale: raw, .* lie in \[-2\.1, 2\.6\] \(normalised\)"),
        ("uint8", 1 / 16, 0, r"such as range: \[0, 16\]; .* lie in \[0, 16\] \(unclear: dark bytes, or 0 to 16\)"),
        ("uint16", 257, 0, r"such as range: \[0, 65535\]; "),
    ],
)
def test_an_unknown_range_of_pixels_is_asked_for(raw_type: str, factor: float, shift: float, message: str) -> None:
    data = training_set(raw_type=raw_type)
    pixels = data.scaling.raw(data.train)
    pixels = np.where(pixels == pixels.max(), 255, np.where(pixels == pixels.min(), 0, pixels)) * factor + shift
    images = data.scaling.scaled(pixels)
    with pytest.raises(DiffbenchError, match=message):
        load_denoiser(external(), replace(data, train=images, validation=images), None, CPU)


@pytest.mark.parametrize(
    ("factor", "shift", "given", "message"),
    [
        (2 / 255, -1, [0, 1], r"train images: its values lie in \[-1, 1\] .*, outside the range 0,1 .*; give -1,1"),
        (1 / 255, 0, [-255, 0], r"lie in \[0, 1\] .*, outside the range -255,0 that was given; give 0,1"),
        (1 / 255, 0, [0, 255], r"lie in \[0, 1\] .*, a part of the range 0,255 that was given; give 0,1"),
        (1 / 255, 0, [-1, 1], r"lie in \[0, 1\] .*, a part of the range -1,1 that was given; give 0,1"),
        (0.3 / 255, 0, [0, 4], r"lie in \[0, 0\.3\] .*, hardly a part of the range 0,4"),
        (1.2 / 255, -0.1, [0, 1], r"lie in \[-0\.1, 1\.1\] .*, outside the range 0,1 .*; clip them, or give another"),
    ],
)
def test_data_outside_a_declared_range_are_refused(
    factor: float, shift: float, given: list[float], message: str
) -> None:
    pixels = np.linspace(0, 255, 6 * 16).reshape(6, 1, 4, 4) * factor + shift
    data = training_set(raw_type="float32")
    data = replace(data, train=data.scaling.scaled(pixels), validation=data.scaling.scaled(pixels[::2]))
    with pytest.raises(DiffbenchError, match=message):
        load_denoiser(external(range=given), data, None, CPU)


def study(**model: Any) -> Study:
    center = {"model": "theirs", "train_size": 32}
    return parse_study({"name": "t", "steps": [1], "models": {"theirs": model}, "center": center}, "t.yaml")


def test_a_study_names_an_external_model_by_its_import(tmp_path: Path) -> None:
    planned = study(**{"import": SHRINKING, "arguments": {"mean": 1.0}, "weights": str(tmp_path)})
    assert [run.path for run in planned.runs] == ["theirs/n32/classes/seed0"]
    assert planned.weights_of("theirs") == [str(tmp_path)]
    assert "theirs/n32/classes/seed0/step0/denoise.h5" in planned.files
    again = Study.parse_json(planned.model_dump_json(exclude={"report"}), "--study")
    assert again.definition("theirs") == planned.definition("theirs")
    assert json.loads(planned.model_dump_json())["models"]["theirs"]["import"] == SHRINKING


def test_noise_beyond_a_models_schedule_is_told_in_the_studys_scale() -> None:
    data = training_set(0.008, 127.5)  # times 1 / (127.5 * 0.008) it is on the model's scale
    definition = external("tests.external_models:noiseless", range=[0, 255], arguments={"largest": 10.0})
    denoiser = load_denoiser(definition, data, None, CPU)
    x = torch.zeros(1, 1, 4, 4)
    with pytest.raises(DiffbenchError, match=r"largest, 10; lower .* to 10\.19, in the study's scale, at most"):
        denoiser(x, torch.full((1,), 10.3), None)
    assert denoiser(x, torch.full((1,), 10.19), None).isfinite().all()


def test_files_that_arguments_name_are_files_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net").mkdir()
    for name in ("w.pt", "net/config.json", "texts.txt"):
        (tmp_path / name).write_text(name)
    arguments = {"folder": "net", "nested": [{"prompts": "texts.txt"}], "others": ["", "absent", "x" * 5000, "a\0b", 3]}
    planned = study(**{"import": SHRINKING, "weights": "w.pt", "arguments": arguments})
    assert planned.weights_of("theirs") == ["w.pt", "net", "texts.txt"]
    assert planned.user_files == ["net", "texts.txt", "w.pt"]
    factors = {"model": "theirs", "train_size": 32, "granularity": "classes", "seed": 0, "step": 0, "guidance": "0"}

    def fingerprints() -> list[str]:
        some = Lineage(planned, contents_of(planned.user_files))
        return [some.fingerprint(kind, factors) for kind in (layout.DENOISE, layout.SAMPLES)]

    before = fingerprints()
    for name in ("net/config.json", "texts.txt", "w.pt"):
        (tmp_path / name).write_text("other")
        after = fingerprints()
        assert all(old != new for old, new in zip(before, after, strict=True)), name
        before = after


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"import": "module.factory"}, "key 'models.theirs.external.import': string should match pattern"),
        ({"import": SHRINKING, "argments": {}}, "key 'models.theirs.external.argments' is unknown"),
        ({"import": SHRINKING, "weights": "no.pt"}, "key 'models.theirs.weights': no.pt: no such file or folder"),
        (
            {"import": SHRINKING, "scale": "bytes"},
            "key 'models.theirs.external.scale': input should be 'minus-one-one'",
        ),
        ({"import": SHRINKING, "range": [255, 0]}, "range must be [lower, upper] with lower < upper"),
        (
            {"import": SHRINKING, "scale": "raw", "range": [0, 1]},
            "range goes with scale minus-one-one or zero-one, not",
        ),
        ({"import": SHRINKING, "arguments": {"weights": 1}}, "arguments must not hold weights"),
    ],
)
def test_mistakes_in_a_study_are_found_before_anything_runs(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(DiffbenchError) as caught:
        study(**keys)
    assert message in str(caught.value)
    assert "t.yaml: " in str(caught.value)
