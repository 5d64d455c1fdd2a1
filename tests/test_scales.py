"""The scale of pixels is named from the values, and no two sets on different scales are compared without a word."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data.scales import alike, conversion, misfit, parse_range, scale_of

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (200, 3, 8, 8)).astype(np.uint8)
VALIDATION = RNG.integers(0, 256, (100, 3, 8, 8)).astype(np.uint8)
MEAN, DEVIATION = (np.array(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))

Form = Callable[[np.ndarray], np.ndarray]

FORMS: dict[str, tuple[Form, str]] = {
    "bytes": (lambda b: b, "0 to 255"),
    "bytes as int64": (lambda b: b.astype(np.int64), "0 to 255"),
    "float bytes": (lambda b: b.astype(np.float32), "0 to 255"),
    "bytes after resizing": (lambda b: b * 0.999 + 0.3, "0 to 255"),
    "unit": (lambda b: (b / 255).astype(np.float32), "0 to 1"),
    "unit in float16": (lambda b: (b / 255).astype(np.float16), "0 to 1"),
    "unit with overshoot": (lambda b: b / 255 * 1.06 - 0.03, "0 to 1"),
    "symmetric": (lambda b: (b / 127.5 - 1).astype(np.float32), "-1 to 1"),
    "symmetric and unclipped": (lambda b: b / 127.5 * 1.06 - 1.06, "-1 to 1"),
    "imagenet": (lambda b: (b / 255 - MEAN) / DEVIATION, "normalised"),
    "mnist": (lambda b: (b / 255 - 0.1307) / 0.3081, "normalised"),
    "halves": (lambda b: b / 255 - 0.5, "unclear"),
    "digits": (lambda b: b // 16, "unclear: dark bytes, or 0 to 15"),
    "bits": (lambda b: b > 99, "0 and 1"),
    "sixteen": (lambda b: b.astype(np.uint16) * 257, "16 bits, 0 to 65535"),
    "twelve": (lambda b: b.astype(np.uint16) * 16, "unclear: 16 bits, or 0 to 4080"),
    "signed bytes": (lambda b: b.astype(np.int16) - 128, "signed whole numbers"),
    "percent": (lambda b: b / 2.55, "unclear"),
    "hounsfield": (lambda b: b * 16.2 - 1024, "unclear"),
    "blank": (lambda b: 0 * b + 0.5, "one value alone"),
}


def named(values: np.ndarray) -> Any:
    return scale_of(values, DiffbenchError)


@pytest.mark.parametrize("form", FORMS)
def test_scales_are_named_by_type_extremes_and_quantiles(form: str) -> None:
    convert, name = FORMS[form]
    scale = named(convert(BYTES))
    assert scale.name == name
    values = convert(BYTES).astype(float)
    assert (scale.low, scale.high) == (values.min(), values.max())


SAME = [
    {"bytes", "bytes as int64", "float bytes", "bytes after resizing"},
    {"unit", "unit in float16", "unit with overshoot", "bits"},
    {"symmetric", "symmetric and unclipped"},
]


@pytest.mark.parametrize(("one", "other"), list(product(FORMS, FORMS)))
def test_two_sets_are_alike_only_on_one_scale(one: str, other: str) -> None:
    expected = one == other != "blank" or any({one, other} <= group for group in SAME)
    assert alike(named(FORMS[one][0](BYTES)), named(FORMS[other][0](VALIDATION))) == expected


def test_single_values_that_stick_out_change_no_name() -> None:
    values = (BYTES / 127.5 - 1).astype(np.float32)
    values[3, 0, 0, 0], values[5, 0, 0, 0] = 1.4, -1.3
    assert named(values).name == "-1 to 1"
    heavy = (RNG.pareto(2, (2, 400, 8, 8)) * 300).astype(np.uint16)  # as counts of photons are
    heavy[0, 0, 0, 0] = 30_000
    assert alike(named(heavy[0]), named(heavy[1]))


PAIRS = [pair for pair in product(FORMS, FORMS) if "blank" not in pair]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_conversion_that_is_suggested_is_right(one: str, other: str) -> None:
    given, wanted = (named(FORMS[form][0](BYTES)) for form in (one, other))
    formula = conversion(given, wanted)
    assert bool(formula) == (given.ends is not None and wanted.ends is not None)
    if given.ends and wanted.ends:
        assert eval(formula, {"x": given.ends[0]}) == pytest.approx(wanted.ends[0], abs=1e-12)
        assert eval(formula, {"x": given.ends[1]}) == pytest.approx(wanted.ends[1])


@pytest.mark.parametrize("text", ["-1,1", "-1, 1", "[-1,1]", "(-1.0,1e0)"])
def test_ranges_are_read_as_people_write_them(text: str) -> None:
    assert parse_range("range", text) == (-1, 1)


@pytest.mark.parametrize("text", ["1", "1,-1", "0,0", "0,nan", "0,1,2", "a,b", "", "0,Infinity", "0,[1]", "0,null"])
def test_other_ranges_are_refused(text: str) -> None:
    with pytest.raises(DiffbenchError, match=r"--range: give two numbers, the lower one first, such as -1,1 \(got"):
        parse_range("range", text)


def test_pale_samples_may_fill_a_part_of_their_range_but_training_images_on_a_clear_scale_must_not() -> None:
    unit = named(FORMS["unit"][0](BYTES))
    assert misfit(unit, (0, 1)) is None
    assert "give 0,1" in str(misfit(unit, (-1, 1)))
    assert misfit(unit, (-1, 1), generated=True) is None
    assert "hardly a part" in str(misfit(unit, (0, 255), generated=True))
    assert misfit(named(np.array([[0.0, 1.001]])), (0, 1)) is None  # less than half a step of 8 bits
    assert "outside" in str(misfit(named(np.array([[0.0, 0.5, 1.003]])), (0, 1)))


# The audit


@pytest.fixture
def audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str]]:
    """Audits copies of training images; returns the measures, None if refused, and what was said."""

    def run(train: str, samples: str, *options: str, validation: str = "") -> tuple[Any, str]:
        sets = {"train": (BYTES, train), "samples": (BYTES[:100], samples), "validation": (VALIDATION, validation)}
        arguments = ["audit", "--json", "--out", str(tmp_path / "audit.h5"), *options]
        for name, (images, form) in sets.items():
            np.save(tmp_path / f"{name}.npy", FORMS[form or train][0](images))
            arguments += [f"--{name}", str(tmp_path / f"{name}.npy")]
        code = cli.main(arguments)
        out, err = capsys.readouterr()
        return json.loads(out) if code == 0 else None, err

    return run


FLOATS = [form for form in FORMS if form in ("bytes", "blank") or FORMS[form][0](BYTES).dtype.kind == "f"]


@pytest.mark.parametrize(("train", "samples"), [(a, b) for a, b in product(FLOATS, FLOATS) if a != "blank"])
def test_copies_on_another_scale_are_recognized_or_refused(audited: Any, train: str, samples: str) -> None:
    measures, said = audited(train, samples)
    if measures is None:
        assert "samples: values lie in [" in said
        assert "those of training images in [" in said
        assert "bring both to one scale" in said
        assert said.count("\n") == 1
        assert {train, samples} != {"bytes", "unit"}
    else:
        assert measures["memorized_fraction"]["value"] == 1
        assert measures["memorized_floor"]["value"] == 0


def test_validation_images_on_another_scale_are_refused(audited: Any) -> None:
    measures, said = audited("unit", "unit", validation="symmetric")
    assert measures is None
    assert "validation: values lie in [-1, 1] (-1 to 1)" in said
    assert "make validation (x + 1) / 2, or say" in said


RANGES = {"bytes": "0,255", "float bytes": "0,255", "unit": "0,1", "symmetric": "-1,1", "halves": "-0.5,0.5"}


@pytest.mark.parametrize(("train", "samples"), list(product(RANGES, RANGES)))
def test_declared_ranges_make_sets_comparable_to_the_bit(audited: Any, train: str, samples: str) -> None:
    ranges = "--samples-range", RANGES[samples], "--train-range", RANGES[train], "--validation-range", RANGES[train]
    measures, said = audited(train, samples, *ranges)
    assert measures == audited("bytes", "bytes")[0]
    assert "100 of 100 samples equal a training image exactly" in said


@pytest.mark.parametrize(
    ("train", "samples", "options", "message"),
    [
        ("symmetric", "symmetric", ("--samples-range", "0,1"), "[-1, 1] (-1 to 1), outside the range 0,1"),
        ("unit", "unit", ("--train-range", "-1,1"), "a part of the range -1,1 that was given; give 0,1"),
        ("symmetric", "unit", ("--samples-range", "0,1"), "by --train-range -1,1"),
        ("symmetric", "imagenet", (), "undo the normalisation of samples, channel by channel"),
        ("unit", "unit", ("--samples-range", "1,0"), "--samples-range: give two numbers, the lower one first"),
    ],
)
def test_ranges_that_do_not_fit_are_refused(
    audited: Any, train: str, samples: str, options: tuple[str, ...], message: str
) -> None:
    measures, said = audited(train, samples, *options)
    assert measures is None
    assert message in said
    assert said.count("\n") == 1


def test_a_range_without_its_set_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", BYTES)
    paths = [f"--{name}={tmp_path / 'x.npy'}" for name in ("samples", "train")]
    assert cli.main(["audit", *paths, "--validation-range", "0,1"]) == 1
    assert "--validation-range: there is no --validation" in capsys.readouterr().err


def test_a_value_that_is_no_number_is_named_by_its_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = FORMS["unit"][0](BYTES)
    values[137, 2, 3, 4] = np.nan
    np.save(tmp_path / "x.npy", values)
    paths = [f"--{name}={tmp_path / 'x.npy'}" for name in ("samples", "train")]
    assert cli.main(["audit", *paths]) == 1
    assert "samples: NaN or infinite values in image 137, counted from 0" in capsys.readouterr().err


# Studies


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_held_out_images_are_on_the_scale_of_the_training_images(
    tmp_path: Path, one: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "train.npy", FORMS[one][0](BYTES))
    np.save(tmp_path / "held.npy", FORMS[other][0](VALIDATION))
    spec = {"name": "file", "path": str(tmp_path / "train.npy"), "held_out": str(tmp_path / "held.npy")}
    code = cli.main(["data", "--spec", json.dumps(spec), "--out", str(tmp_path / "data.h5")])
    said = capsys.readouterr().err
    if one == other or any({one, other} <= group for group in SAME):
        assert code == 0, said
    else:
        assert code == 1
        assert "key 'data.held_out': its images are of type" in said
        assert "bring both to one scale" in said
        assert not (tmp_path / "data.h5").exists()
