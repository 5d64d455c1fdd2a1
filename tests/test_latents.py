"""Latents with a decoder: a study and audits beside what is measured of decoded images by hand, and bad decoders."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from diffbench.cli import main
from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.denoisers import decoder as decoders
from diffbench.denoisers.decoder import load_decoder
from diffbench.files import store
from diffbench.planning.standing import files_of
from diffbench.report.charts.pictures import data_uris, told_of_latents
from diffbench.settings.data import DataSettings, Decoder
from diffbench.stages import data, pixels
from diffbench.stages.chain import in_order
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from diffbench.study.specs import DataSpec, PixelsSpec
from tests import autoencoders
from tests.snakemake_runs import snakemake

STUDY: dict[str, Any] = {
    "name": "latents",
    "data": {
        "name": "latents",
        "path": "latents.npz",
        "images": "z",
        "labels": "y",
        "layout": "CHW",  # 4 channels of 4x4
        "validation": 200,
        "decoder": {"import": "autoencoders:decoder", "weights": "decoder.pt"},
    },
    "models": {
        "unet": {"kind": "unet", "channels": 16, "multipliers": [1, 2], "blocks": 1},
        "dit": {"kind": "dit", "width": 16, "depth": 1, "heads": 1},
        "copies": {"kind": "planted", "copies": 0.5},
        "held-out": {"kind": "planted", "copies": 0.0, "rest": "validation"},
    },
    "seeds": [0],
    "steps": [4],
    "center": {"model": "unet", "train_size": 100, "granularity": "none", "guidance": 0},
    "sweeps": [{"model": ["unet", "dit", "copies", "held-out"]}],
    "training": {"batch": 16},
    "sampling": {"samples": 100, "trajectories": 8, "steps": 4},
    "measures": {"gap": {"levels": 3, "images": 20, "noises": 1}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with latents of digits, their decoder, and the results of a study on them."""
    folder = tmp_path_factory.mktemp("latents")
    assert autoencoders.train(folder) < 0.01
    shutil.copy(autoencoders.__file__, folder)
    done = snakemake(folder, STUDY, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def results(folder: Path) -> Path:
    return folder / "results" / "latents"


def measured(folder: Path) -> Any:
    """Value and space of each measure, by model and measure."""
    table = pd.read_csv(results(folder) / "summary/memorization.csv")
    return table.set_index(["model", "measure"])


def decoded(folder: Path, latents: np.ndarray) -> np.ndarray:
    """Pictures (n, 64) of raw latents in float64, by torch alone."""
    network = autoencoders.decoder(folder / "decoder.pt")
    with torch.no_grad():
        return network(torch.from_numpy(latents.astype(np.float32))).double().numpy().reshape(len(latents), -1)


def distances(images: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The two least distances of each image, (m, 2)."""
    return np.sort(np.sqrt(np.square(images[:, None] - train[None]).sum(axis=2)), axis=1)[:, :2]


def test_a_study_trains_on_latents_and_measures_in_both_spaces(folder: Path) -> None:
    table = measured(folder)
    for model in ("unet", "dit", "copies", "held-out"):
        for end, space in (("", "latents"), ("_decoded", "pixels")):
            for name in ("memorized_fraction", "memorized_floor", "auth_pct", "c_t", "extracted_images"):
                assert table.loc[(model, name + end), "space"] == space
    assert set(pd.read_csv(results(folder) / "summary/denoise.csv")["space"]) == {"latents"}
    assert set(pd.read_csv(results(folder) / "summary/overlap.csv")["space"]) == {"latents"}
    for end in ("", "_decoded"):
        value = {model: table.loc[(model, f"memorized_fraction{end}"), "value"] for model in ("copies", "held-out")}
        assert value["copies"] == 0.5
        assert value["held-out"] <= table.loc[("held-out", f"memorized_floor{end}"), "high"]
        side = table.loc[("held-out", f"calibrated_fraction{end}")]
        assert side["low"] <= table.loc[("held-out", f"calibrated_floor{end}"), "value"] <= side["high"]
        assert table.loc[("copies", f"extracted_images{end}"), "value"] == 50


@pytest.mark.parametrize("model", ["unet", "copies"])
def test_memorization_in_pixels_is_that_of_images_decoded_by_hand(folder: Path, model: str) -> None:
    where = results(folder)
    file = store.read(where / layout.DATA.pattern, "data")
    train = file["pool"][:100]
    factors = {"model": model, "train_size": 100, "granularity": "none", "seed": 0, "guidance": "0"}
    factors |= {"step": 4 if model == "unet" else 0}
    drawn = store.read(where / layout.SAMPLES.of(factors), "sample")["samples"]
    own = distances(decoded(folder, Scaling.of(file.attributes).raw(drawn)), decoded(folder, train))
    memorization = store.read(where / layout.MEMORIZATION.of(factors), "memorization")
    shown = Scaling.of(store.header(where / layout.PIXELS.pattern, "pixels").attributes)
    np.testing.assert_allclose(shown.raw_lengths(memorization["distance_decoded"]), own, rtol=1e-3, atol=1e-4)
    share = np.mean(own[:, 0] / own[:, 1] < 1 / 3)
    assert measured(folder).loc[(model, "memorized_fraction_decoded"), "value"] == share
    floor = distances(decoded(folder, file["validation"]), decoded(folder, train))
    expected = np.mean(floor[:, 0] / floor[:, 1] < 1 / 3)
    assert measured(folder).loc[(model, "memorized_floor_decoded"), "value"] == expected
    np.testing.assert_allclose(
        store.read(where / layout.PIXELS.pattern, "pixels")["pool"][:100].reshape(100, -1),
        decoded(folder, train),
        atol=1e-5,
    )


def test_a_decoder_that_is_added_trains_nothing_anew(folder: Path) -> None:
    data = STUDY["data"] | {"path": str(folder / "latents.npz")}

    def fingerprints(decoder: str | None) -> dict[str, str]:
        study = parse_study(STUDY | {"data": data | {"decoder": decoder}}, "study")
        lineage = Lineage(study)
        return {kind.of(factors): lineage.fingerprint(kind, factors) for kind, factors in files_of(study)}

    before, after = fingerprints(None), fingerprints("a:b")
    assert {layout.stage_of(path) for path in after.keys() - before.keys()} == {"pixels", "decode"}
    assert {layout.stage_of(path) for path in before if before[path] != after[path]} == {"features", "memorization"}


def test_pages_show_what_latents_are_decoded_to(folder: Path) -> None:
    pages = results(folder) / "report"
    shown = (pages / "samples.html").read_text()
    assert "Pictures are what latents are decoded to." in shown
    assert "Distances are L2, scaled, between pictures." in shown
    assert "memorized fraction, in pixels" in (pages / "leaderboard.html").read_text()
    told = "Distances are between latents; measures in pixels are between the pictures that they are decoded to."
    assert told in (pages / "index.html").read_text()


def test_channels_are_shown_side_by_side() -> None:
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    image = np.arange(6, dtype=np.float32)[:, None, None].repeat(3, 1).repeat(5, 2)
    (uri,) = data_uris(image[None])
    pixels = np.asarray(Image.open(BytesIO(b64decode(uri.partition(",")[2]))))
    assert pixels.shape == (2 * 3 + 1, 3 * 5 + 2)
    assert [pixels[y, x] for y in (0, 4) for x in (0, 6, 12)] == [0, 51, 102, 153, 204, 255]
    assert (pixels[3] == 255).all()
    assert told_of_latents((6, 3, 5)).startswith("Latents, without a decoder: their 6 channels side by side")
    assert told_of_latents((3, 8, 8)) == told_of_latents((64,)) == ""


# Audits


def audit(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, Any, str]:
    import json

    files = {name: folder / f"{name}.npy" for name in ("samples", "train", "validation")}
    given = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    code = main(["audit", "--json", "--layout", "CHW", "--out", str(folder / "audit.h5"), *given, *options])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if code == 0 else None, captured.err


def test_an_audit_of_latents_finds_planted_copies_in_both_spaces(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latents, rng = np.load(folder / "latents.npy"), np.random.default_rng(0)
    train, validation, samples = latents[:600], latents[600:1000], latents[1000:1200].copy()
    samples[:50] = train[:50] + 0.01 * rng.normal(size=train[:50].shape)
    for name, values in (("samples", samples), ("train", train), ("validation", validation)):
        np.save(tmp_path / f"{name}.npy", values)
    weights = ("--decoder-weights", str(folder / "decoder.pt"))
    _, found, _ = audit(tmp_path, capsys, "--decoder", autoencoders.DECODER, *weights)
    own = distances(decoded(folder, samples), decoded(folder, train))
    assert found["memorized_fraction_decoded"]["value"] == np.mean(own[:, 0] / own[:, 1] < 1 / 3)
    for end, space in (("", "latents"), ("_decoded", "pixels")):
        assert found[f"memorized_fraction{end}"]["value"] == pytest.approx(0.25, abs=0.01)
        assert found[f"memorized_fraction{end}"]["space"] == space
        assert found[f"memorized_floor{end}"]["value"] < 0.02
    file = store.read(tmp_path / "audit.h5", "audit")
    np.testing.assert_allclose(file["distance_decoded"], own, rtol=1e-3, atol=1e-4)
    assert file.attributes["settings"]["decoder"]["content"]
    assert "pictures that latents are decoded to" in (tmp_path / "audit.html").read_text()
    code, bare, _ = audit(tmp_path, capsys)
    assert code == 0
    assert bare["memorized_fraction"] == found["memorized_fraction"]
    assert "Latents, without a decoder: their 4 channels" in (tmp_path / "audit.html").read_text()
    np.save(tmp_path / "samples.npy", validation)  # held-out images as samples: the floor, exactly
    _, null, _ = audit(tmp_path, capsys, "--decoder", autoencoders.DECODER, *weights)
    for end in ("", "_decoded"):
        assert null[f"memorized_fraction{end}"]["value"] == null[f"memorized_floor{end}"]["value"]
    np.save(tmp_path / "samples.npy", (255 * rng.random(samples.shape)).astype(np.uint8))
    assert "samples: --decoder takes latents" in audit(tmp_path, capsys, "--decoder", autoencoders.DECODER, *weights)[2]
    assert "not JSON" in audit(tmp_path, capsys, "--decoder", autoencoders.DECODER, "--decoder-arguments", "{")[2]


# Decoders


@pytest.fixture(scope="module")
def data_file(folder: Path) -> Path:
    return results(folder) / layout.DATA.pattern


BAD = {
    "fewer": r"returned 7 pictures of 8 latents; one of each is expected",
    "nan": r"returned NaN or infinite values for latent 3, counted from 0",
    "numpy": r"returned a value of type numpy\.ndarray; a tensor of pictures",
    "bytes": r"returned torch\.uint8; floats are expected",
    "flat": r"returned shape \(8, 64\); pictures \(8, c, h, w\) are expected",
    "growing": r"returned pictures of shape \(2, 8, 8\) after some of \(1, 8, 8\)",
    "raises": r"decode\(latents\) raised ValueError: no such latents \(autoencoders\.py:\d+\)",
    "exits": r"decode\(latents\) raised SystemExit: 3",
}


@pytest.mark.parametrize("how", BAD)
def test_a_decoder_that_is_none_is_told_in_a_line_and_writes_nothing(data_file: Path, tmp_path: Path, how: str) -> None:
    decoder = Decoder.model_validate({"import": "tests.autoencoders:broken", "arguments": {"how": how}})
    with pytest.raises(DiffbenchError, match=rf"^decoder 'tests\.autoencoders:broken': {BAD[how]}") as caught:
        pixels.run(PixelsSpec(decoder=decoder), data_file, tmp_path / "pixels.h5", "cpu")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_factory_that_is_none_is_told() -> None:
    cpu = torch.device("cpu")
    for name, message in (
        ("tests.autoencoders:absent", r"autoencoders\.py has no 'absent'"),
        ("nowhere:factory", "nowhere cannot be imported: ModuleNotFoundError"),
        ("tests.autoencoders:digits", r"the factory returned a value of type numpy\.ndarray; a function of latents"),
        ("tests.autoencoders:decoder", "the factory raised TypeError"),
    ):
        with pytest.raises(DiffbenchError, match=rf"^decoder '{name}': .*{message}"):
            load_decoder(Decoder.model_validate({"import": name}), cpu)


def test_latents_are_decoded_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def decode(latents: torch.Tensor) -> torch.Tensor:
        asked.append(len(latents))
        assert latents.dtype == torch.float32
        latents += 1  # its own to write into
        return latents.half().repeat(1, 1, 2, 2)

    latents = np.random.default_rng(0).normal(size=(45, 3, 4, 4))
    before = latents.copy()
    monkeypatch.setattr("diffbench.data.raw_images.BLOCK_VALUES", 20 * 48)
    decoder = decoders.PictureDecoder(decode, "x:y", torch.device("cpu"))
    pictures = decoder.decoded(latents)
    assert isinstance(pictures, np.memmap)
    assert pictures.shape == (45, 3, 8, 8)
    assert max(asked) == decoders.AT_ONCE
    assert sum(asked) == 45
    np.testing.assert_allclose(pictures, np.tile(before + 1, (1, 1, 2, 2)), atol=5e-3)
    np.testing.assert_array_equal(latents, before)


def test_the_decoder_of_a_study_is_a_name_or_a_mapping(tmp_path: Path) -> None:
    plain = DataSettings(name="latents", path="x.npy", decoder="a.b:c")
    full = DataSettings.parse({"name": "latents", "path": "x.npy", "decoder": {"import": "a.b:c"}}, "study")
    assert plain.decoding == full.decoding
    assert DataSettings.parse_json(full.model_dump_json(), "study") == full
    assert "decoder" not in DataSettings().model_dump()  # results made before there were decoders stay valid
    for bad in ("no colon", {"import": "a:b", "weight": "x"}):
        with pytest.raises(DiffbenchError, match="decoder"):
            DataSettings.parse({"name": "latents", "decoder": bad}, "study")


def test_what_does_not_go_together_is_refused_when_the_study_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "odd.npy", np.random.default_rng(0).normal(size=(40, 4, 5, 5)).astype(np.float32))
    study = STUDY | {"data": {"name": "latents", "path": str(tmp_path / "odd.npy"), "validation": 10}}
    study |= {"center": STUDY["center"] | {"train_size": 20}}
    with pytest.raises(DiffbenchError, match=r"'unet': .*images of 4x5x5 have sides that 2 does not divide"):
        parse_study(study, "study")
    gone = study | {"data": study["data"] | {"decoder": {"import": "a:b", "weights": str(tmp_path / "gone.pt")}}}
    with pytest.raises(DiffbenchError, match=r"key 'data\.decoder\.weights': .*gone\.pt: no such file"):
        parse_study(gone, "study")
    with pytest.raises(DiffbenchError, match=r"key 'data\.decoder': 'digits' does not take it"):
        parse_study(study | {"data": {"name": "digits", "decoder": "a:b"}}, "study")


def test_latents_that_a_pipeline_knows_multiplied_are_not_given_as_the_encoder_made_them(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.random.default_rng(0).normal(size=(40, 4, 8, 8)).astype(np.float32))
    (tmp_path / "sd/vae").mkdir(parents=True)
    of_vae = {"import": "diffbench.adapters.autoencoder:autoencoder_kl", "weights": str(tmp_path / "sd")}
    model = {"import": "diffbench.adapters.pipeline:pipeline", "weights": str(tmp_path / "sd"), "scale": "raw"}

    def parsed(scaled: bool) -> None:
        data = {"name": "latents", "path": str(tmp_path / "z.npy"), "validation": 10}
        data["decoder"] = of_vae | {"arguments": {"scaled": scaled}}
        center = {"model": "sd", "train_size": 20, "granularity": "none"}
        parse_study({"name": "t", "data": data, "models": {"sd": model}, "steps": [1], "center": center}, "study")

    parsed(scaled=True)
    with pytest.raises(
        DiffbenchError, match=r"key 'models\.sd': its pipeline multiplies latents by the scaling_factor"
    ):
        parsed(scaled=False)
    (tmp_path / "sd/vae").rmdir()  # a network of one's own, trained on them as they are
    parsed(scaled=False)


def test_stages_read_decoded_files_where_there_are_some() -> None:
    plain = in_order(["memorization"])
    assert not {"pixels", "decode"} & set(plain)
    order = in_order(["memorization"], (layout.PIXELS, layout.DECODED))
    assert order.index("data") < order.index("pixels") < order.index("features") < order.index("memorization")
    assert order.index("sample") < order.index("decode") < order.index("memorization")


def test_three_channels_are_latents_where_they_are_said_to_be(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(30, 3, 8, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    for name, space in (("latents", "latents"), ("file", None)):
        data.run(DataSpec(name=name, path=str(tmp_path / "x.npy"), validation=5), tmp_path / f"{name}.h5")
        assert store.header(tmp_path / f"{name}.h5", "data").attributes.get("space") == space


# An AutoencoderKL of diffusers


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize(
    "numbers",
    [
        {"scaling_factor": 0.18215},
        {"scaling_factor": 0.3611, "shift_factor": 0.1159},
        {"scaling_factor": 0.5, "latents_mean": [0.1, 0.2, 0.3, 0.4], "latents_std": [1.0, 2.0, 3.0, 4.0]},
    ],
)
def test_an_autoencoder_of_diffusers_decodes_as_its_library_does(
    tmp_path: Path, numbers: dict[str, Any], scaled: bool
) -> None:
    kind = pytest.importorskip("diffusers.models.autoencoders.autoencoder_kl").AutoencoderKL
    torch.manual_seed(0)
    model = kind(latent_channels=4, block_out_channels=(32,), norm_num_groups=8, sample_size=8, **numbers)
    model.save_pretrained(tmp_path / "vae")
    codes = torch.randn(3, 4, 8, 8)
    with torch.no_grad():
        expected = model.eval().decode(codes).sample.numpy()
    latents = codes
    if scaled and "latents_mean" in numbers:
        mean, std = (torch.tensor(numbers[f"latents_{each}"]).view(1, 4, 1, 1) for each in ("mean", "std"))
        latents = (codes - mean) / std * 0.5
    elif scaled:
        latents = (codes - numbers.get("shift_factor", 0)) * numbers["scaling_factor"]
    given = {"import": "diffbench.adapters.autoencoder:autoencoder_kl", "weights": str(tmp_path)}
    decoder = load_decoder(Decoder.model_validate(given | {"arguments": {"scaled": scaled}}), torch.device("cpu"))
    np.testing.assert_allclose(decoder.decoded(latents.numpy()), expected, atol=1e-5)
    with pytest.raises(DiffbenchError, match=r"takes latents of 4 channels, not 8; .*data\.channels: 4"):
        decoder.decoded(np.zeros((2, 8, 8, 8)))
    with pytest.raises(DiffbenchError, match="needs the argument scaled: true if latents are multiplied"):
        load_decoder(Decoder.model_validate(given), torch.device("cpu"))


def test_an_autoencoder_whose_decoder_is_not_whole_is_refused(tmp_path: Path) -> None:
    """What the encoder lacks does not matter, and a folder may hold half-precision weights alone."""
    kind = pytest.importorskip("diffusers.models.autoencoders.autoencoder_kl").AutoencoderKL
    files = pytest.importorskip("safetensors.torch")
    model = kind(latent_channels=4, block_out_channels=(8,), norm_num_groups=4, sample_size=8).half()
    model.save_pretrained(tmp_path, variant="fp16")
    (file,) = tmp_path.glob("*.fp16.safetensors")
    whole = files.load_file(file)
    given = {"import": "diffbench.adapters.autoencoder:autoencoder_kl", "weights": str(tmp_path)}
    definition = Decoder.model_validate(given | {"arguments": {"scaled": False}})

    def decoded(state: dict[str, torch.Tensor]) -> np.ndarray:
        files.save_file(state, file, {"format": "pt"})
        return load_decoder(definition, torch.device("cpu")).decoded(np.ones((1, 4, 8, 8)))

    expected = decoded(whole)
    assert np.array_equal(decoded({name: each for name, each in whole.items() if "encoder" not in name}), expected)
    with pytest.raises(DiffbenchError, match=r"lacks decoder\.conv_in\.bias; they are of another network"):
        decoded({name: each for name, each in whole.items() if name != "decoder.conv_in.bias"})
