"""What an inspection does beside measuring: trying the model first, conditions, a first answer, and its own words."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from diffbench import cli
from diffbench.conventions import DiffbenchError, log_sigmas
from diffbench.files import store
from diffbench.inspection import inspecting
from diffbench.inspection.inspecting import inspect_model
from diffbench.inspection.options import Inspection
from diffbench.inspection.words import in_own_words
from diffbench.study.layout import INSPECTION
from diffbench.study.study import Study
from tests import external_models

SPREAD = 0.2
TRAIN, HELD_OUT = 90, 600
TITLE = 'Text to Image, <b>EMA</b> & "模型"'


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images A v + t e of known A, v and t; the vectors lie in the file of images and beside it; e and v are normal."""
    folder, rng = tmp_path_factory.mktemp("planted"), np.random.default_rng(0)
    matrix = 0.5 * rng.standard_normal((16, 3))
    for name, count in (("train", TRAIN), ("held", HELD_OUT)):
        vectors = rng.standard_normal((count, 3))
        images = vectors @ matrix.T + SPREAD * rng.standard_normal((count, 16))
        np.savez(folder / f"{name}.npz", x=images.reshape(-1, 1, 4, 4), text=vectors)
        np.save(folder / f"{name}-text.npy", vectors.astype(np.float32))
    np.savez(folder / "model.npz", matrix=matrix, spread=SPREAD)
    return folder


def inspection(planted: Path, out: Path, **changes: Any) -> Inspection:
    given = {
        "model": "tests.external_models:linear_gaussian", "weights": str(planted / "model.npz"), "scale": "raw",
        "train": planted / "train.npz", "held_out": planted / "held.npz", "images": "x", "conditions": "text",
        "quick": True, "samples": 16, "device": "cpu", "out": out,
    } | changes  # fmt: skip
    return Inspection(**given)


@pytest.fixture(scope="module")
def inspected(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("inspected") / "out"
    options = {"name": TITLE, "steps": 4, "solver": "euler", "gap_levels": 5, "noises": 3}
    return inspect_model(inspection(planted, out, **options))


def denoised(inspected: Path) -> store.StageFile:
    (found,) = inspected.rglob("seed0/**/denoise.h5")
    return store.read(found, "denoise")


def test_each_image_is_denoised_given_its_own_vector(inspected: Path) -> None:
    """The exact denoiser given v errs by t^2 s^2 / (t^2 + s^2) on training and on unseen images alike."""
    found, scale = denoised(inspected), float(store.read(inspected / "data.h5", "data").attributes["scale"])
    sigmas, t = log_sigmas(5), SPREAD * scale
    np.testing.assert_allclose(found["sigma"], sigmas)
    expected = (t * sigmas) ** 2 / (t**2 + sigmas**2)
    for split, images in (("train", TRAIN), ("validation", 128)):
        losses = found[f"loss_{split}"]
        assert losses.shape == (5, images)
        np.testing.assert_allclose(losses.mean(axis=1), expected, rtol=6 * np.sqrt(2 / (images * 16)))
    scalars = dict(zip(found["measure"], found["value"], strict=True))
    assert abs(scalars["peak_gap"]) < 0.3


def test_samples_are_drawn_under_the_vectors_of_training_images(inspected: Path, planted: Path) -> None:
    """At sigma 0 the flow of that Gaussian ends within a few t of A v."""
    (path,) = inspected.rglob("samples.h5")
    drawn, data = store.read(path, "sample"), store.read(inspected / "data.h5", "data")
    raw = drawn["samples"].reshape(16, 16) / data.attributes["scale"] + data.attributes["mean"]
    means = data["pool_condition"][drawn["label"]] @ np.load(planted / "model.npz")["matrix"].T
    assert np.sqrt(np.square(raw - means).mean()) < 2 * SPREAD < means.std()
    assert len(set(drawn["label"].tolist())) > 10


def test_a_first_answer_says_so_and_options_are_what_the_study_has(inspected: Path) -> None:
    study = Study.parse_json((inspected / INSPECTION).read_text(), "mark")
    assert study.center.granularity == "given"
    assert study.center.model == "text-to-image-b-ema-b"
    assert (study.sampling.steps, study.sampling.solver, study.sampling.samples) == (4, "euler", 16)
    assert (study.measures.gap.levels, study.measures.gap.noises, study.measures.gap.images) == (5, 3, 128)
    for page in (inspected / "report").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "A first answer (--quick): 5 noise levels, 3 noises, at most 128 images" in text
    assert set(pd.read_csv(inspected / "summary/status.csv")["state"]) == {"done"}


def test_the_title_is_what_was_typed_and_pages_compare_and_judge_nothing(inspected: Path) -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (inspected / "report").glob("*.html")}
    assert f"<h1>{escape(TITLE)}</h1>" in pages["index"]
    for text in pages.values():
        assert f'<a class="brand" href="index.html">{escape(TITLE)}</a>' in text
        assert "<b>" not in text
        said = re.sub("<(script|style|pre).*?</(script|style|pre)>", "", text, flags=re.DOTALL)
        assert "these models" not in said
        assert not re.search("inconclusive|claim [1-5]|claims.html", said)


@pytest.mark.parametrize(
    ("typed", "title", "key"),
    [
        (None, "tests.external_models:linear_gaussian", "tests.external-models-linear-gaussian"),
        ("Modèle 2", "Modèle 2", "modele-2"),
        ("模型", "模型", "model"),
        ("Summary", "Summary", "model"),
        ("\udcff x", "\\udcff x", "x"),
    ],
)
def test_any_text_is_a_title(planted: Path, tmp_path: Path, typed: str | None, title: str, key: str) -> None:
    study = inspection(planted, tmp_path, name=typed).study(TRAIN, HELD_OUT)
    assert (study.title, study.center.model) == (title, key)


def test_pages_are_those_that_the_workflow_waits_for(inspected: Path) -> None:
    """As of a study of one model from outside, whose pages compare nothing."""
    study = Study.parse_json((inspected / INSPECTION).read_text(), "mark")
    assert {path.stem for path in (inspected / "report").glob("*.html")} == {*study.pages, "privacy"}


def test_held_out_images_are_used_beyond_512(planted: Path, tmp_path: Path, inspected: Path) -> None:
    assert len(store.read(inspected / "data.h5", "data")["validation"]) == HELD_OUT
    whole = inspection(planted, tmp_path, quick=False)
    assert whole.study(TRAIN, HELD_OUT).measures.gap.images == HELD_OUT
    assert whole.study(TRAIN, 20_000).measures.gap.images == 2048
    assert whole.study(TRAIN, 30).measures.gap.images == 512, "of training images all the same"
    assert whole.study(TRAIN, HELD_OUT).note is None


class Bar:
    """What stands for a bar of tqdm: how much it was to show, and how much it was told."""

    def __init__(self, total: int, desc: str, disable: bool | None, **_: Any) -> None:
        assert disable is None, "shown on a terminal alone"
        self.stage, self.total, self.done = desc, total, 0

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        BARS.append(self)

    def update(self, count: int) -> None:
        self.done += count


BARS: list[Bar] = []


def test_an_object_in_the_place_of_a_factory_is_measured_alike(
    planted: Path, tmp_path: Path, inspected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With vectors from other files; it is called as it is, and no factory is. Bars end where they were to end."""
    denoiser = external_models.linear_gaussian(planted / "model.npz")
    monkeypatch.setattr(external_models, "linear_gaussian", None)
    monkeypatch.setattr("diffbench.stages.report.run", lambda *_: None)
    monkeypatch.setattr(inspecting, "tqdm", Bar)
    apart = {name: str(planted / f"{short}-text.npy") for name, short in SHORT.items()}
    options = {"gap_levels": 5, "noises": 3, "steps": 4, "solver": "euler"} | apart
    out = inspect_model(inspection(planted, tmp_path / "out", **options), denoiser)
    np.testing.assert_array_equal(denoised(out)["loss_train"], denoised(inspected)["loss_train"])
    assert sorted(bar.stage for bar in BARS) == ["denoise", "optimum", "sample"]
    assert all(bar.done == bar.total for bar in BARS), [(bar.stage, bar.done, bar.total) for bar in BARS]


SHORT = {"conditions": "train", "held_out_conditions": "held"}


def failed(planted: Path, out: Path, capsys: pytest.CaptureFixture[str], **changes: str) -> str:
    """The one error line of an inspection that leaves nothing behind."""
    before = set(out.parent.iterdir())
    options = {
        "model": "tests.external_models:broken",
        "train": planted / "train.npz",
        "held-out": planted / "held.npz",
    }
    options |= {"images": "x", "scale": "raw", "out": out, "device": "cpu"} | changes
    assert cli.main(["inspect", *(str(text) for name, value in options.items() for text in (f"--{name}", value))]) == 1
    assert set(out.parent.iterdir()) == before
    told = [line for line in capsys.readouterr().err.strip().splitlines() if "trying the model" not in line]
    (line,) = (text for text in told if "error: " in text)
    return line


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("none", "returned None; a tensor of shape (2, 1, 4, 4) is expected"),
        ("shape", "returned shape (2, 1, 3, 4); (2, 1, 4, 4) is expected"),
        ("inf", "returned NaN or infinite values at sigma = 0.1"),
        ("half", "returned torch.float16; torch.float32 is expected"),
        ("raises", "D(x, sigma, label), without a label, raised RuntimeError"),
        ("needs label", "without a label, raised AttributeError"),
        ("factory raises", "the factory raised ValueError: no such width at all"),
        ("no function", "the factory returned a value of type builtins.int"),
    ],
)
def test_a_wrong_model_is_told_before_any_image_is_read(
    planted: Path, tmp_path: Path, how: str, message: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(inspecting, "run_stage", lambda *_: pytest.fail("a stage ran"))
    monkeypatch.setattr(inspecting, "contents_of", lambda *_: pytest.fail("files were read"))
    told = failed(planted, tmp_path / "out", capsys, arguments=f'{{"how": "{how}"}}')
    assert message in told


@pytest.mark.parametrize("granularity", ["none", "classes"])
def test_labels_that_the_model_does_not_get_are_told(
    planted: Path, tmp_path: Path, granularity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "held"):
        arrays = np.load(planted / f"{name}.npz")
        np.savez(tmp_path / f"{name}.npz", y=np.arange(len(arrays["x"])) % 3, x=arrays["x"])
    options = {"model": "tests.external_models:broken", "arguments": '{"how": "none"}', "granularity": granularity}
    options |= {"weights": None, "conditions": None, "labels": "y"}
    options |= {"train": tmp_path / "train.npz", "held_out": tmp_path / "held.npz"}
    with pytest.raises(DiffbenchError, match="returned None"):
        inspect_model(inspection(planted, tmp_path / "out", **options))
    assert ("the model gets no labels" in capsys.readouterr().err) == (granularity == "none")


DEAF = {"model": "tests.external_models:writing", "arguments": '{"returns": "its own buffer"}'}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conditions": "text"} | DEAF, "its estimates are the same with every condition; leave --conditions out"),
        ({"labels": "y", "granularity": "classes"}, "its estimates are the same with every label; leave --granularity"),
        ({"conditions": "short.npy"}, "--conditions: short.npy: 89 conditions, but there are 90 images; give one"),
        ({"conditions": "other"}, "--conditions: {train}: has no array 'other', it has text, x, y"),
    ],
)
def test_conditions_that_cannot_be_the_models_are_refused(
    planted: Path, tmp_path: Path, changes: dict[str, str], message: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    np.save("short.npy", np.load(planted / "train-text.npy")[1:])
    for name in ("train", "held"):
        arrays = np.load(planted / f"{name}.npz")
        np.savez(f"{name}.npz", y=np.arange(len(arrays["x"])) % 3, **arrays)
    files = {"train": str(tmp_path / "train.npz"), "held-out": str(tmp_path / "held.npz")}
    given = files | {"model": "tests.external_models:shrinking"} | changes
    assert message.format(train=files["train"]) in failed(planted, tmp_path / "out", capsys, **given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"range": "255,0", "scale": "minus-one-one"}, "--range: must be [lower, upper] with lower < upper"),
        ({"range": "1,2,3"}, "--range: give two numbers, such as 0,255 (got 1,2,3)"),
        ({"range": "low,high"}, "--range: give two numbers, such as 0,255 (got low,high)"),
        ({"arguments": "[1]"}, "--arguments: give a JSON object, such as '{\"width\": 64}' (got [1])"),
        ({"samples": "0"}, "error: --samples: input should be greater than or equal to 2 (got 0)"),
        ({"name": "a\nb"}, "error: --name: give a line of text, without tabs or line breaks (got 'a\\nb')"),
        ({"name": " "}, "error: --name: give a line of text"),
        ({"layout": "XY"}, "error: --layout: input should be 'CHW', 'HWC' or 'HW' (got 'XY')"),
        ({"decoder": "nothing"}, "error: --decoder: "),
    ],
)
def test_a_wrong_option_is_told_by_its_own_name_and_once(
    planted: Path, tmp_path: Path, changes: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = failed(planted, tmp_path / "out", capsys, **changes)
    assert message in told
    assert "key '" not in told


def test_a_decoder_that_yields_no_pictures_is_told_before_any_image_is_read(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it costs nobody an earlier inspection."""
    monkeypatch.setattr(inspecting, "contents_of", lambda *_: pytest.fail("files were read"))
    model = {"model": "tests.external_models:shrinking"}
    told = failed(planted, tmp_path / "out", capsys, decoder="tests.external_models:shrinking", **model)
    assert "decoder 'tests.external_models:shrinking': decode(latents) raised TypeError" in told


def test_noise_that_a_model_does_not_know_is_told_before_the_optimum(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = failed(planted, tmp_path / "out", capsys, model="tests.external_models:scheduled")
    assert "lower --sigma-max" in told
    assert "sampling." not in told


def test_conditions_that_are_not_finite_are_told_with_nothing_left_behind(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "nan.npy", np.where(np.arange(TRAIN)[:, None] == 5, np.nan, np.load(planted / "train-text.npy")))
    model = {"model": "tests.external_models:linear_gaussian", "weights": str(planted / "model.npz")}
    held = {"held-out-conditions": str(planted / "held-text.npy")}
    told = failed(planted, tmp_path / "out", capsys, conditions=str(tmp_path / "nan.npy"), **held, **model)
    assert "--conditions: " in told
    assert "NaN or values beyond float32, in that of image 5, counted from 0; mend them" in told


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("inspect: key 'data.path': x: no such file", "--train: x: no such file"),
        ("inspect: key 'models.a.b-c.external.range.1': field required", "--range: field required"),
        ("inspect: key 'sampling.sigma_max': a; inspect: key 'measures.gap.sigma_max': a", "--sigma-max: a"),
        ("inspect: key 'sampling.samples': a; inspect: key 'device': b", "--samples: a; --device: b"),
        ("key 'data.held_out_conditions': as data.conditions", "--held-out-conditions: as --conditions"),
        ("model 'a:b': x; use granularity classes", "model 'a:b': x; use --granularity classes"),
        ("key 'data.layout': x; if grey, give layout HW", "--layout: x; if grey, give --layout HW"),
        ("model 'a:b': say which, such as range: [0, 16]; the", "model 'a:b': say which, such as --range 0,16; the"),
        ("device: cuda was asked for", "--device: cuda was asked for"),
        ("/data.path/x.npz: no such file", "/data.path/x.npz: no such file"),
    ],
)
def test_messages_name_options(text: str, own: str) -> None:
    assert in_own_words(text) == own
