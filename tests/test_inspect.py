"""A model trained by another library, audited: losses and samples are those of calling it by hand."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits

from diffbench import cli
from diffbench.conventions import karras_sigmas
from diffbench.files import store
from diffbench.files.fingerprint import contents_of
from diffbench.noise import gap_noise, sample_noise
from diffbench.report.tables.format import number
from tests.snakemake_runs import planned_jobs, snakemake

STEPS = 1000
CUMULATED = np.cumprod(1 - np.linspace(1e-4, 0.02, STEPS))
LOG_RATIOS = np.log(np.sqrt((1 - CUMULATED) / CUMULATED))
RATIOS = np.exp(LOG_RATIOS)
PIPELINE = "diffbench.adapters.pipeline:pipeline"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of 40 training digits, all of them, and of 30 held-out ones."""
    folder = tmp_path_factory.mktemp("digits")
    bunch: Any = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.images))
    for name, chosen in (("train", order[:40]), ("held", order[40:70])):
        np.savez(folder / f"{name}.npz", x=bunch.images[chosen].astype(np.uint8), y=bunch.target[chosen])
    return folder


@pytest.fixture(scope="module")
def trained(digits: Path) -> Path:
    """A DDPM that diffusers trained and saved: a small U-Net, on pixels in [-1, 1]."""
    from diffusers.models.unets.unet_2d import UNet2DModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    torch.manual_seed(0)
    model = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
    )
    scheduler = DDPMScheduler()
    pixels = torch.from_numpy(np.load(digits / "train.npz")["x"][:, None] / 8 - 1).float()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(300):
        clean = pixels[torch.randint(len(pixels), (32,))]
        noise, step = torch.randn_like(clean), torch.randint(STEPS, (32,))
        noised: Any = scheduler.add_noise(clean, noise, step)  # pyright: ignore[reportArgumentType]
        loss = torch.nn.functional.mse_loss(model(noised, step).sample, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.35  # pyright: ignore[reportPossiblyUnboundVariable]
    model.save_pretrained(digits / "ddpm/unet")
    scheduler.save_pretrained(digits / "ddpm/scheduler")
    return digits / "ddpm"


def options(digits: Path, out: Path, network: Path, **changes: str) -> list[str]:
    given = {
        "model": PIPELINE, "weights": str(network), "train": str(digits / "train.npz"),
        "held-out": str(digits / "held.npz"), "images": "x", "range": "0,16", "samples": "24", "device": "cpu",
        "out": str(out),
    } | changes  # fmt: skip
    return ["inspect", *(text for name, value in given.items() for text in (f"--{name}", value))]


@pytest.fixture(scope="module")
def inspected(digits: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("inspected") / "out"
    assert cli.main(options(digits, out, trained)) == 0
    return out


class ByHand:
    """The saved network, loaded with diffusers alone, as a denoiser of the suite's scaled images."""

    def __init__(self, folder: Path, data: Path) -> None:
        from diffusers.models.unets.unet_2d import UNet2DModel

        self.network = UNet2DModel.from_pretrained(folder / "unet").eval()
        attributes = store.read(data, "data").attributes
        self.mean, self.scale = float(attributes["mean"]), float(attributes["scale"])

    @torch.no_grad()
    def __call__(self, scaled: np.ndarray, sigma: float) -> np.ndarray:
        pixels = (scaled / self.scale + self.mean) / 8 - 1
        theirs = sigma / self.scale / 8
        ratio = max(theirs, RATIOS[0])
        time = np.interp(np.log(ratio), LOG_RATIOS, np.arange(STEPS))
        seen = torch.from_numpy(pixels / np.sqrt(1 + ratio**2)).float()
        epsilon = self.network(seen, torch.full((len(seen),), time).float()).sample.double().numpy()
        return ((pixels - theirs * epsilon + 1) * 8 - self.mean) * self.scale


def only(folder: Path, name: str) -> Path:
    (found,) = folder.rglob(f"seed0/**/{name}")
    return found


def test_losses_are_those_of_calling_the_model_by_hand(inspected: Path, trained: Path, digits: Path) -> None:
    found = store.read(only(inspected, "denoise.h5"), "denoise")
    by_hand = ByHand(trained, inspected / "data.h5")
    files = store.read(inspected / "data.h5", "data")
    raw = {image.tobytes() for image in np.load(digits / "train.npz")["x"]}
    assert {image.tobytes() for image in files["pool"]} == raw
    for split, name in (("train", "pool"), ("validation", "validation")):
        images = (files[name].astype(np.float64) - by_hand.mean) * by_hand.scale
        for level in (0, 5, 11, 14, 23):
            sigma = found["sigma"][level]
            expected = np.zeros(len(images))
            for draw in range(8):
                noise = gap_noise(split, level, draw, len(images), 64).reshape(images.shape)
                error = by_hand(images + sigma * noise, sigma) - images
                expected += np.square(error).reshape(len(images), -1).mean(axis=1) / 8
            np.testing.assert_allclose(found[f"loss_{split}"][level], expected, rtol=2e-3, atol=1e-7)


def test_samples_are_those_of_sampling_the_model_by_hand(inspected: Path, trained: Path) -> None:
    """Heun's method written out (Karras et al. 2022, algorithm 1)."""
    by_hand = ByHand(trained, inspected / "data.h5")
    sigmas = [*karras_sigmas(18), 0.0]
    x = sample_noise(0, 24, 64).astype(np.float64).reshape(24, 1, 8, 8) * sigmas[0]
    for now, after in pairwise(sigmas):
        slope = (x - by_hand(x, now)) / now
        guess = x + (after - now) * slope
        if after > 0:
            slope = (slope + (guess - by_hand(guess, after)) / after) / 2
        x = x + (after - now) * slope
    np.testing.assert_allclose(store.read(only(inspected, "samples.h5"), "sample")["samples"], x, atol=2e-3)


@pytest.mark.browser
def test_an_inspection_ends_in_the_usual_report(inspected: Path, browser: Any, trained: Path) -> None:
    sizes = pd.read_csv(inspected / "summary/models.csv").iloc[0]
    from diffusers.models.unets.unet_2d import UNet2DModel

    assert sizes["parameters"] == UNet2DModel.from_pretrained(trained / "unet").num_parameters()
    assert sizes["flops_per_image"] > sizes["parameters"]
    assert set(pd.read_csv(inspected / "summary/status.csv")["state"]) == {"done"}
    page = browser.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto((inspected / "report/index.html").as_uri())
    page.wait_for_selector("#measured")
    text = page.inner_text("body")
    assert "pipeline" in text
    assert "memorized" in text.lower()
    assert not failures
    page.close()


def test_an_inspection_ends_in_a_privacy_report(inspected: Path, trained: Path) -> None:
    """With the numbers of the stages' files, the images they are of, and what was assumed."""
    page = (inspected / "report/privacy.html").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<main") : page.rindex("<script>")]).split())
    checkpoint = store.read(only(inspected, "denoise.h5"), "denoise")
    scalars = dict(zip(checkpoint["measure"], checkpoint["value"], strict=True))
    for name, attack in (("denoising loss", "loss"), ("SimA", "sima"), ("PIA", "pia"), ("SecMI", "secmi")):
        best = " ★" if checkpoint.attributes["best_attack"] == attack else ""
        assert f"{name}{best} {number(scalars[f'attack_{attack}_auc'])} [" in text
    named = re.findall(r"no\. (\d+)", text[text.index("Which images?") : text.index("What do its samples")])
    rates = checkpoint["attack_fpr"]
    assert sorted(rates[[int(row) for row in named]]) == sorted(rates)[: len(named)]
    assert len(named) == 24
    assert f"are named at a false positive rate of {number(1 / 31)}, the least that" in text
    assert f"by chance {number(40 / 31)} would be" in text
    assert f"weights {trained}, content {contents_of([trained])[str(trained)]}" in text
    assert "What was assumed" in text
    assert 'href="privacy.html"' in (inspected / "report/index.html").read_text(encoding="utf-8")


def test_a_second_inspection_takes_the_place_of_the_first(digits: Path, tmp_path: Path) -> None:
    plain = {"model": "tests.external_models:shrinking", "samples": "16"}
    weights = tmp_path / "w.pt"
    torch.save({"mean": torch.tensor(-0.4)}, weights)
    out = tmp_path / "out"
    assert cli.main(options(digits, out, weights, **plain)) == 0
    (out / "notes.txt").write_text("mine")
    classes = {"labels": "y", "granularity": "classes", "arguments": json.dumps({"shift": 0.01})}
    assert cli.main(options(digits, out, weights, **plain, **classes)) == 0
    assert [path.name for path in (out / "tests.external-models-shrinking/n40").iterdir()] == ["classes"]
    assert (out / "notes.txt").exists()
    assert len(list(out.rglob("samples.h5"))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "no_package.m:f"}, "no_package.m cannot be imported"),
        ({"model": "nocolon"}, "error: --model: string should match pattern"),
        ({"weights": "none"}, "error: --weights: none: no such file or folder"),
        ({"arguments": "[1]"}, "--arguments: give a JSON object"),
        ({"range": "16"}, "error: --range: give two numbers, such as 0,255 (got 16)"),
        ({"scale": "unit"}, "error: --scale: input should be 'minus-one-one', 'zero-one', 'raw' or 'suite'"),
        ({"train": "none.npz"}, "error: --train: none.npz: no such file"),
        ({"held-out": "none.npz"}, "error: --held-out: none.npz: no such file"),
        ({"images": "z"}, "has no array 'z', it has x, y"),
        ({"granularity": "classes"}, "--granularity classes: 'file' has no classes; name its array of labels as --"),
        ({"granularity": "given"}, "--granularity given: 'file' has no conditions that are vectors; name their"),
        ({"conditions": "none.npy"}, "--conditions: none.npy: no such file"),
        ({"conditions": "y"}, "conditions of shape (40,) are neither (n, d) nor (n, tokens, d)"),
        ({"sigma-max": "0.001"}, "error: --sigma-max: give more than 0.002"),
        ({"samples": "1"}, "error: --samples: input should be greater than or equal to 2"),
        ({"solver": "rk4"}, "error: --solver: input should be 'heun', 'euler' or 'dpmpp-2m'"),
        ({"gap-levels": "1"}, "error: --gap-levels: input should be greater"),
        ({"resize": "9"}, "error: --resize: 9 is beyond the 8 pixels"),
        ({"name": ""}, "error: --name: give a line of text"),
        ({"device": "tpu"}, "error: --device: input should be 'auto', 'cpu' or 'cuda'"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(
    digits: Path, tmp_path: Path, changes: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "w.pt"
    torch.save({"mean": torch.tensor(0.0)}, weights)
    out = tmp_path / "out"
    given = {"model": "tests.external_models:shrinking"} | changes
    assert cli.main(options(digits, out, weights, **given)) == 1
    printed = capsys.readouterr().err.strip().splitlines()
    assert len(printed) == 1 + ("trying the model" in printed[0])
    assert message in printed[-1]
    assert not out.exists()


@pytest.mark.parametrize(
    ("convert", "given", "message"),
    [
        (lambda x: x / 8 - 1, "0,1", "lie in [-1, 1] (-1 to 1), outside the range 0,1 that was given; give -1,1"),
        (lambda x: x / 16, "-1,1", "lie in [0, 1] (0 to 1), a part of the range -1,1 that was given; give 0,1"),
        (lambda x: x / 8 - 1, None, "such as --range -1,1; the images are stored as float32, their values lie in"),
        (lambda x: x, "-3,12", "lie in [0, 16] (unclear: dark bytes, or 0 to 16), outside the range -3,12"),
    ],
)
def test_a_range_that_the_data_do_not_have_is_refused(
    digits: Path, tmp_path: Path, convert: Any, given: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "held"):
        np.savez(tmp_path / f"{name}.npz", x=convert(np.load(digits / f"{name}.npz")["x"].astype(np.float32)))
    weights, out = tmp_path / "w.pt", tmp_path / "out"
    torch.save({"mean": torch.tensor(0.0)}, weights)
    arguments = options(tmp_path, out, weights, model="tests.external_models:shrinking", range=given or "")
    if given is None:
        arguments = [text for text in arguments if text not in ("--range", "")]
    assert cli.main(arguments) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("train.npz", "held.npz", "w.pt")] == []


def test_a_range_may_begin_with_a_minus(digits: Path, tmp_path: Path) -> None:
    for name in ("train", "held"):
        np.savez(tmp_path / f"{name}.npz", x=np.load(digits / f"{name}.npz")["x"].astype(np.float32) / 8 - 1)
    torch.save({"mean": torch.tensor(0.0)}, tmp_path / "w.pt")
    model = {"model": "tests.external_models:shrinking", "range": "-1,1", "samples": "16"}
    assert cli.main(options(tmp_path, tmp_path / "out", tmp_path / "w.pt", **model)) == 0


def test_a_folder_that_is_no_inspection_is_left_alone(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    assert cli.main(options(digits, tmp_path, tmp_path)) == 1
    assert "exists and is no inspection" in capsys.readouterr().err
    plain = {"model": "tests.external_models:shrinking"}
    torch.save({"mean": torch.tensor(0.0)}, digits / "w.pt")
    assert cli.main(options(digits, tmp_path / "thesis.tex/out", digits / "w.pt", **plain)) == 1
    assert "thesis.tex/out: cannot be written (File exists); check" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.pipeline
def test_an_external_model_takes_part_in_a_study_and_new_weights_rerun_its_measures_alone(
    digits: Path, tmp_path: Path
) -> None:
    (tmp_path / "beside.py").write_text(
        "import torch\n"
        "def factory(weights):\n"
        "    mean = torch.load(weights)['mean']\n"
        "    return lambda x, sigma, label: mean + (x - mean) / (1 + sigma.view(-1, 1, 1, 1) ** 2)\n"
    )
    torch.save({"mean": torch.tensor(-0.4)}, tmp_path / "w.pt")
    data = {"name": "file", "path": str(digits / "train.npz"), "held_out": str(digits / "held.npz")}
    study = {
        "name": "theirs",
        "data": data | {"images": "x", "labels": "y"},
        "seeds": [0],
        "steps": [1],
        "models": {"theirs": {"import": "beside:factory", "weights": "w.pt", "range": [0, 16]}},
        "center": {"model": "theirs", "train_size": 40, "granularity": "classes", "guidance": 1},
        "sampling": {"samples": 24, "trajectories": 12, "steps": 5},
        "measures": {"gap": {"levels": 4, "images": 20, "noises": 2}},
    }
    done = snakemake(tmp_path, study, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    sizes = pd.read_csv(tmp_path / "results/theirs/summary/models.csv")
    assert sizes[["parameters", "flops_per_image"]].isna().all(axis=None)
    for path in (tmp_path / "w.pt", digits / "train.npz", digits / "held.npz"):
        path.touch()
    assert planned_jobs(tmp_path, study) == {}, "other times are no other content"
    torch.save({"mean": torch.tensor(-0.3)}, tmp_path / "w.pt")
    planned = planned_jobs(tmp_path, study)
    planned.pop("all")
    assert planned == {"denoise": 1, "sample": 1, "memorization": 1, "overlap": 1, "summary": 1, "report": 1}
