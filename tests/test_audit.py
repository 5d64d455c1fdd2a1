"""The audit: what every measure says of planted shares of copies, its files and page, and every bad input."""

import json
import math
import re
import tracemalloc

import h5py
import numpy as np
import pytest
from PIL import Image

from diffbench.cli import main
from diffbench.conventions import DiffbenchError
from diffbench.data.image_set import ImageSet, read_image_set
from diffbench.data.scales import scale_of
from diffbench.files.store import read
from diffbench.measures.audit import audit

NAMES = (
    *("memorized_fraction", "memorized_floor", "mem_auc", "calibrated_fraction", "auth_pct", "c_t"),
    *("nearest_side_rate", "fd", "fd_train", "fd_validation", "fd_gap", "kid", "precision", "recall"),
    *("density", "coverage", "kid_train", "precision_train", "coverage_train", "fld", "fld_gap"),
)
DEFINED_WITHOUT_VALIDATION = {
    *("memorized_fraction", "mem_auc", "calibrated_fraction", "auth_pct"),
    *("kid_train", "precision_train", "coverage_train"),
}
SAMPLES = 200


def faces(seed, count, shape=(1, 9, 9)):
    """Images in [0, 1] that lie near a plane of six dimensions."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(6, math.prod(shape)))
    values = 0.5 + 0.06 * rng.normal(size=(count, 6)) @ mixing + 0.01 * rng.normal(size=(count, math.prod(shape)))
    return np.clip(values, 0, 1).astype(np.float32).reshape(count, *shape)


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command on arrays; returns its exit code, output and errors."""

    def audited(*options, **arrays):
        arguments = ["audit", "--out", str(tmp_path / "audit.h5"), *options]
        for name, values in arrays.items():
            if isinstance(values, np.ndarray):
                np.save(tmp_path / f"{name}.npy", values)
                values = tmp_path / f"{name}.npy"
            arguments += [f"--{name}", str(values)]
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return audited


def planted(share, noise=0.0):
    """Samples of which a share copies training images; the others are unseen."""
    copies = round(share * SAMPLES)
    samples = np.concatenate([faces(0, 400)[:copies], faces(3, SAMPLES - copies)])
    return samples + noise * np.random.default_rng(4).normal(size=samples.shape).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_planted_shares_of_copies_are_found(run, share, noise):
    code, out, _ = run("--json", samples=planted(share, noise), train=faces(0, 400), validation=faces(1, 400))
    assert code == 0
    records = json.loads(out)
    value = {name: record["value"] for name, record in records.items()}
    assert value["memorized_fraction"] == share
    assert value["memorized_floor"] == 0
    assert value["extracted_images"] == records["extracted_images_matched"]["value"] == round(share * SAMPLES)
    assert value["extracted_images_floor"] == 0
    for name, without, of_copies in (
        ("mem_auc", value["mem_auc_floor"], 0.97),
        ("calibrated_fraction", value["calibrated_floor"], 1),
        ("auth_pct", value["auth_pct_floor"], 0),
        ("nearest_side_rate", 0.5, 1),
        ("precision_train", 0.85, 1),
    ):
        expected = (1 - share) * without + share * of_copies
        assert value[name] == pytest.approx(expected, abs=0.08), name
    if share == 0:
        assert records["c_t"]["low"] < 0 < records["c_t"]["high"]
        assert records["fld_gap"]["low"] < 0 < records["fld_gap"]["high"]
    if share >= 0.5:  # Meehan et al.: strongly negative = copying
        assert records["c_t"]["high"] < -3
        assert records["fld_gap"]["low"] > 0
    for name in ("fd", "fd_train", "fd_validation", "fd_baseline_train", "fd_baseline_validation"):
        assert value[name] < 0.1, name  # samples of the right distribution, copied or not
    assert abs(value["kid"]) < 0.01
    assert min(value[name] for name in ("recall", "density", "coverage")) > 0.6


def test_validation_images_as_samples_score_the_floor(run):
    validation = faces(1, 200)
    _, out, _ = run("--json", samples=validation, train=faces(0, 400), validation=validation)
    value = {name: record["value"] for name, record in json.loads(out).items()}
    for name, floor in (
        ("memorized_fraction", "memorized_floor"),
        ("mem_auc", "mem_auc_floor"),
        ("calibrated_fraction", "calibrated_floor"),
        ("auth_pct", "auth_pct_floor"),
        ("extracted_images", "extracted_images_floor"),
        ("extraction_chao1", "extraction_chao1_floor"),
    ):
        assert value[name] == value[floor], name
    assert value["c_t"] == pytest.approx(0, abs=1e-9)
    assert value["nearest_side_rate"] == value["distance_to_validation"] == 0
    assert value["precision"] == value["coverage"] == 1


def test_json_is_one_object_with_the_promised_names_and_keys(run):
    code, out, _ = run("--json", samples=planted(0.1), train=faces(0, 400))
    assert code == 0
    records = json.loads(out)
    assert set(NAMES) <= records.keys()
    for name, record in records.items():
        numbers = [record[key] for key in ("value", "low", "high")]
        assert isinstance(record["n"], int)
        assert record["space"] in ("pixels", "pca-64")
        if record["value"] is None:
            assert numbers == [None, None, None]
            assert record["reason"] == "needs validation images"
        else:
            assert numbers[1] <= numbers[0] <= numbers[2], name
            assert "reason" not in record
    assert {name for name in NAMES if records[name]["value"] is not None} == DEFINED_WITHOUT_VALIDATION
    assert records["memorized_fraction"]["space"] == "pixels"
    assert records["fd_train"]["space"] == "pca-64"


def test_the_file_and_the_text_hold_measures_and_pairs(run, tmp_path):
    samples = planted(0.1)[::-1]
    code, out, _ = run(samples=samples, train=faces(0, 400), validation=faces(1, 400))
    assert code == 0
    assert "memorized_fraction                    0.1" in out
    assert "20 of 200 samples equal a training image exactly" in out
    file = read(tmp_path / "audit.h5", "audit")
    most = file["suspicious"][:20]
    assert sorted(most) == list(range(180, 200))
    np.testing.assert_array_equal(file["nearest"][most], 199 - most)
    assert (file["distance"][most, 0] == 0).all()
    assert dict(zip(file["measure"], file["space"], strict=True))["kid"] == "pca-64"
    assert file.attributes["settings"]["notes"] == ["20 of 200 samples equal a training image exactly"]
    assert (tmp_path / "audit.html").stat().st_size > 10_000


def test_files_of_all_kinds_give_the_same(run, tmp_path):
    samples, train = planted(0.1), faces(0, 400)
    expected = json.loads(run("--json", samples=samples, train=train)[1])
    np.savez(tmp_path / "arrays.npz", generated=samples, other=np.zeros(3))
    np.savez_compressed(tmp_path / "one.npz", train=np.asfortranarray(train))
    with h5py.File(tmp_path / "arrays.h5", "w") as file:
        file.create_dataset("train", data=train, chunks=(7, 1, 9, 9), compression="gzip")
        file["generated"] = samples.astype(np.float64)
    np.save(tmp_path / "columns.npy", np.asfortranarray(train))
    for samples_at, train_at in (
        ("arrays.npz:generated", "one.npz"),
        ("arrays.h5:generated", "arrays.h5:train"),
        ("arrays.npz:generated", "columns.npy"),
    ):
        records = json.loads(run("--json", samples=tmp_path / samples_at, train=tmp_path / train_at)[1])
        for name, record in expected.items():
            if record["value"] is not None:
                assert records[name]["value"] == pytest.approx(record["value"], rel=1e-4, abs=1e-6), (name, train_at)


def test_bytes_are_divided_by_255_whatever_they_are_compared_with(run):
    bytes_of = {name: (255 * images).round().astype(np.uint8) for name, images in _sets().items()}
    floats = {name: images.astype(np.float32) / 255 for name, images in bytes_of.items()}
    expected = json.loads(run("--json", **floats)[1])
    mixed = json.loads(run("--json", **(bytes_of | {"samples": floats["samples"]}))[1])
    assert json.loads(run("--json", **bytes_of)[1]) == expected == mixed
    assert expected["memorized_fraction"]["value"] == 0.1


def _sets():
    return {"samples": planted(0.1), "train": faces(0, 400), "validation": faces(1, 300)}


def test_repeated_training_images_are_left_out_since_they_hide_near_copies(run):
    train = faces(0, 400)
    near = train[:50] + np.float32(1e-3)
    code, out, err = run("--json", samples=near, train=np.concatenate([train[:50], train]))
    assert code == 0
    assert json.loads(out)["memorized_fraction"]["value"] == 1
    assert "50 of 450 training images repeat earlier ones and are left out" in err


def test_near_copies_on_both_sides_of_the_split_are_noted(run):
    train, validation = faces(0, 400), faces(1, 100)
    validation[[7, 30]] = train[[50, 3]] + np.float32(1e-3)
    code, out, err = run(
        "--json", samples=faces(2, 50), train=np.concatenate([train[:5], train]), validation=validation
    )
    assert code == 0
    assert json.loads(out)["memorized_floor"]["value"] == 0.02
    assert "2 of 100 validation images are near copies of training images, and raise the floor" in err
    assert "(validation ~ train: 7 ~ 55, 30 ~ 3)" in err


def test_copies_whose_values_are_all_changed_in_one_way_are_on_another_scale(run):
    train = faces(0, 400, (3, 8, 8))
    for factor, shift in ((0.5, 0.25), (0.7, 0.0), (np.array([0.9, 0.8, 0.85])[:, None, None], 0.05)):
        samples = np.concatenate([faces(3, 60, (3, 8, 8)), (train[5:20] * factor + shift).astype(np.float32)])
        code, out, err = run("--json", samples=samples, train=train)
        assert (code, out) == (1, "")
        assert "15 samples are training images of which all values are changed in one way" in err
        assert f"to about {np.ravel(factor)[0]:.4g} x {shift:+.4g} (samples ~ train: 60 ~ 5, 61 ~ 6," in err
        assert "bring both to one scale" in err


def test_copies_of_several_brightnesses_are_noted(run):
    train = faces(0, 400)
    brightness = np.linspace(0.5, 0.9, 10, dtype=np.float32).reshape(-1, 1, 1, 1)
    code, _, err = run("--json", samples=np.concatenate([faces(3, 60), train[:10] * brightness]), train=train)
    assert code == 0
    assert "10 of 70 samples are training images but for brightness and contrast (samples ~ train: 60 ~ 0, 61 ~" in err
    assert "brightness" not in run("--json", samples=planted(0.5, 1e-3), train=train)[2]
    assert "brightness" not in run("--json", samples=planted(0.5), train=train)[2]


def test_copies_of_a_training_image_that_is_there_in_two_brightnesses_are_no_rescaled_ones(run):
    train = faces(0, 60)
    for both in ([train, train / 2], [train / 2, train]):
        code, _, err = run("--json", samples=train[:30], train=np.concatenate(both))
        assert code == 0
        assert "brightness" not in err


def test_pairs_count_training_images_as_in_the_file():
    train = faces(0, 60)
    stacked = np.concatenate([train[:10], train[:10], train[10:]])
    samples, stacked = (
        ImageSet(name, "", images.reshape(len(images), -1), images.shape[1:], scale_of(images, DiffbenchError))
        for name, images in (("samples", train), ("train", stacked))
    )
    np.testing.assert_array_equal(audit(samples, stacked, None).nearest, [*range(10), *range(20, 70)])


def test_constant_samples_are_measured_like_others(run):
    constant = np.repeat(faces(0, 400)[:1], 60, axis=0)
    code, out, err = run("--json", samples=constant, train=faces(0, 400), validation=faces(1, 300))
    assert code == 0
    records = json.loads(out)
    assert records["memorized_fraction"]["value"] == records["nearest_side_rate"]["value"] == 1
    assert records["recall"]["value"] < 0.05
    assert "59 of 60 samples repeat earlier ones" in err


def with_value(images, value):
    changed = images.copy()
    changed.flat[5] = value
    return changed


BAD = {
    "nan": ({"samples": with_value(faces(2, 50), np.nan)}, "samples: NaN or infinite values"),
    "infinite": ({"train": with_value(faces(0, 50), np.inf)}, "train: NaN or infinite values"),
    "empty": ({"samples": faces(2, 0)}, r"samples: .*shape \(0, 1, 9, 9\) is not \(n, \.\.\.\)"),
    "flat": ({"samples": np.zeros(9, np.float32)}, r"shape \(9,\) is not"),
    "shape": (
        {"samples": faces(2, 50, (81,))},
        r"samples: images have shape \(81,\), training images \(1, 9, 9\)",
    ),
    "integers": ({"train": np.ones((5, 1, 9, 9), int)}, "train: .*of type int64; give uint8"),
    "scale": ({"samples": faces(2, 50) * 255}, r"samples: values lie in \[.*bring both to one scale"),
    "signed": ({"samples": faces(2, 50) * 2 - 1}, "samples: values lie in"),
    "bytes of unit": ({"validation": (faces(1, 50) * 255).astype(np.float32)}, "validation: values lie in"),
    "unit of bytes": (
        {"train": faces(0, 50) * 255},
        r"samples: values lie in \[0.*those of training images in \[.*bring both",
    ),
    "blank": ({"samples": np.full((50, 1, 9, 9), 0.5, np.float32)}, "bring both to one scale"),
    "one": ({"train": faces(0, 1)}, "train: 1 images, 1 distinct; give at least 2"),
    "constant": ({"train": np.zeros((7, 1, 9, 9), np.float32)}, "train: 7 images, 1 distinct"),
    "overlap": (
        {"validation": np.concatenate([faces(1, 60), faces(0, 50)[8:20]])},
        r"validation: 12 distinct images are training images too \(.*60 = 8, 61 = 9,.*\.\.\.\); remove",
    ),
    "missing": ({"train": "nowhere.npy"}, "train: nowhere.npy: no such file"),
    "text": ({"train": "text.npy"}, "train: text.npy: truncated or not a .npy file"),
    "picture": ({"train": "picture.png"}, "train: picture.png: not one of .npy, .npz, .h5"),
    "several": (
        {"train": "several.npz"},
        "train: several.npz: has several arrays or none, name one of a, b; give FILE:ARRAY",
    ),
    "unnamed": ({"train": "several.npz:c"}, "train: several.npz: has no array 'c', it has a, b; give FILE:ARRAY"),
    "cut": ({"train": "cut.npz:a"}, "train: cut.npz: truncated"),
    "out": ({"out": "audit.html"}, "out: audit.html does not end in .h5"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(run, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "picture.png").write_bytes(b"")
    np.savez(tmp_path / "several.npz", a=faces(0, 50), b=faces(0, 50))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "several.npz").read_bytes()[:9000])
    given, message = BAD[case]
    code, out, err = run("--json", **({"samples": faces(2, 50), "train": faces(0, 50)} | given))
    assert code == 1
    assert out == ""
    assert err.count("\n") == 1
    assert re.match(f"diffbench audit: error: .*{message}", err), err


def test_few_images_leave_measures_undefined_with_reasons(run):
    code, out, _ = run("--json", samples=faces(2, 1), train=faces(0, 2), validation=faces(1, 1))
    assert code == 0
    records = json.loads(out)
    assert records["memorized_fraction"]["n"] == 1
    assert records["memorized_fraction"]["value"] in (0, 1)
    for name in ("calibrated_fraction", "c_t", "fd_train", "fd_gap", "kid", "precision", "fld"):
        assert records[name]["value"] is None, name
        assert records[name]["reason"], name


def test_arrays_are_read_in_blocks(tmp_path, monkeypatch):
    """With blocks a tenth of their size, no more than half of a training set of 28 MB is in memory at once."""
    monkeypatch.setattr("diffbench.measures.neighbors.BLOCK_BYTES", 2**21)
    monkeypatch.setattr("diffbench.measures.neighbors.BLOCK_ROWS", 256)
    monkeypatch.setattr("diffbench.measures.features.fitting.FITTED_VALUES", 2**19)
    train = np.random.default_rng(0).uniform(size=(4000, 3, 24, 24)).astype(np.float32)
    np.save(tmp_path / "train.npy", train)
    np.savez(tmp_path / "samples.npz", train[:30] + np.float32(0.001))
    size = train.nbytes
    del train
    tracemalloc.start()
    sets = [read_image_set(name, str(tmp_path / name)) for name in ("samples.npz", "train.npy")]
    assert audit(sets[0], sets[1], None).estimates["memorized_fraction"].value == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 27_000_000
    assert peak < size / 2


def test_folders_and_groups_of_hdf5_are_audited_as_files(run, tmp_path):
    bytes_of = {name: (255 * images).round().astype(np.uint8) for name, images in _sets().items()}
    expected = json.loads(run("--json", **bytes_of)[1])
    for name in ("samples", "validation"):
        for index, image in enumerate(bytes_of[name]):
            place = tmp_path / name / f"class-{index % 2}"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0]).save(place / f"{index:04}.png")
    with h5py.File(tmp_path / "train.h5", "w") as file:
        file["split/train/images"] = np.moveaxis(bytes_of["train"], 1, 3)
    _, out, err = run(
        "--json",
        samples=tmp_path / "samples",
        train=f"{tmp_path}/train.h5:split/train/images",
        validation=tmp_path / "validation",
    )
    found = json.loads(out)
    for name in ("memorized_fraction", "memorized_floor", "auth_pct", "extracted_images"):
        assert found[name] == expected[name], (name, err)


def test_axes_that_a_shape_does_not_tell_are_asked_for(run):
    samples, train = faces(2, 50, (9, 9, 9)), faces(0, 60, (9, 9, 9))
    code, _, err = run(samples=samples, train=train)
    assert code == 1
    assert "samples.npy: shape (50, 9, 9, 9) does not tell which axis holds the channels; give layout CHW or HWC" in err
    assert run("--layout", "HWC", samples=samples, train=train)[0] == 0
    assert "--layout: give one of CHW, HWC, HW (got NCHW)" in run("--layout", "NCHW", samples=samples, train=train)[2]


@pytest.mark.browser
def test_the_page_shows_the_pairs_and_asks_for_nothing(run, tmp_path):
    from playwright.sync_api import sync_playwright

    run("--name", "faces <b>v2</b> 模型", samples=planted(0.1), train=faces(0, 400), validation=faces(1, 400))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        errors, requests = [], []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((tmp_path / "audit.html").as_uri())
        assert page.title() == "faces <b>v2</b> 模型 · Audit · diffbench"
        assert page.locator("h1").inner_text() == "faces <b>v2</b> 模型"
        widths = page.eval_on_selector_all(".pair img", "images => images.map(image => image.naturalWidth)")
        assert page.locator(".pair").count() == 48
        assert page.locator(".pair.memorized").count() == 20
        assert widths == [9] * 96
        first = page.locator(".pair").first.locator("img")
        assert first.nth(0).get_attribute("src") == first.nth(1).get_attribute("src"), "an exact copy"
        assert "memorized_fraction" in page.locator("#measures").inner_text()
        assert "extracted_images_floor" in page.locator("#measures").inner_text()
        browser.close()
    assert not errors
    assert all(url.startswith(("file:", "data:")) for url in requests)
