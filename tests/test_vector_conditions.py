"""Conditions that are vectors: each image keeps its own on every way, and closed forms know which images share one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data.conditions import conditions
from diffbench.data.sources import source
from diffbench.data.training_set import TrainingSet, read_training_set
from diffbench.denoisers.build import fresh_network, load_denoiser
from diffbench.files import store
from diffbench.settings.data import DataSettings
from diffbench.settings.granularity import Granularity
from diffbench.settings.models import Dit, External, Mlp, Optimal, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.stages.sample import sample_labels
from diffbench.study.file import parse_study
from diffbench.study.specs import DataSpec
from diffbench.training.trainer import Trainer

CPU = torch.device("cpu")
DIGITS: Any = load_digits()
PROJECTION = np.random.default_rng(0).standard_normal((64, 5))


def vectors_of(images: np.ndarray) -> np.ndarray:
    """What stands for an encoder: a vector that tells from which image it was made."""
    return np.ascontiguousarray((images.reshape(len(images), -1) @ PROJECTION).astype(np.float32))


def data_stage(folder: Path, **keys: Any) -> Path:
    out = folder / "data.h5"
    assert cli.main(["data", "--spec", json.dumps(keys), "--out", str(out)]) == 0
    return out


def labelled(data: Path, granularity: str, train_size: int) -> TrainingSet:
    out = data.with_name(f"{granularity}-{train_size}.h5")
    spec = json.dumps({"factors": {"train_size": train_size, "granularity": granularity}, "seed": 0})
    assert cli.main(["conditions", "--spec", spec, "--data", str(data), "--out", str(out)]) == 0
    return read_training_set(data, out)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 training digits of which one repeats, 30 held-out ones, and their vectors in the same files and in others."""
    folder = tmp_path_factory.mktemp("vectors")
    images = DIGITS.images[np.random.default_rng(1).permutation(len(DIGITS.images))[:90]].astype(np.uint8)
    images[7] = images[3]
    for name, some in (("train", images[:60]), ("held", images[60:])):
        np.savez(folder / f"{name}.npz", x=some, text=vectors_of(some), y=np.arange(len(some)) % 3)
        np.savez(folder / f"{name}-text.npz", clip=vectors_of(some).astype(np.float64))
    return folder


def keys(files: Path, **changes: Any) -> dict[str, Any]:
    given = {"name": "file", "path": str(files / "train.npz"), "held_out": str(files / "held.npz"), "images": "x"}
    given |= {"conditions": "text"} | changes
    return {key: value for key, value in given.items() if value is not None}


@pytest.mark.parametrize("where", ["beside the images", "in other files", "without held-out images"])
def test_every_image_keeps_its_vector(files: Path, tmp_path: Path, where: str) -> None:
    other = {"conditions": f"{files / 'train-text.npz'}:clip", "held_out_conditions": str(files / "held-text.npz")}
    if where == "without held-out images":
        other = {"conditions": other["conditions"], "held_out": None, "validation": 20, "labels": "y"}
    found = data_stage(tmp_path, **keys(files, **({} if where == "beside the images" else other)))
    file = store.read(found, "data")
    for name in ("pool", "validation"):
        np.testing.assert_array_equal(file[f"{name}_condition"], vectors_of(file[name]))
    chosen = labelled(found, "given", 30)
    assert chosen.vectors is not None
    for images, labels in chosen.splits.values():
        raw = np.rint(chosen.scaling.raw(images))
        np.testing.assert_array_equal(chosen.vectors[labels], vectors_of(raw))
    assert set(sample_labels(chosen, 500).tolist()) == set(range(30))


def test_vectors_of_a_shipped_set_and_of_a_folder_are_in_the_order_of_reading(tmp_path: Path) -> None:
    from PIL import Image

    np.save(tmp_path / "all.npy", vectors_of(DIGITS.images))
    file = store.read(data_stage(tmp_path, name="digits", conditions=str(tmp_path / "all.npy")), "data")
    np.testing.assert_array_equal(file["pool_condition"], vectors_of(file["pool"]))
    for name in ("path", "held_out"):
        chosen = DIGITS.images[:12] if name == "path" else DIGITS.images[12:20]
        for index, image in enumerate(chosen.astype(np.uint8)):
            (tmp_path / name / str(index % 2)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(10 * image).save(tmp_path / name / str(index % 2) / f"{index:02}.png")
        places = np.lexsort((np.arange(len(chosen)), np.arange(len(chosen)) % 2))
        np.save(tmp_path / f"{name}.npy", vectors_of(10 * chosen[places]))
    places = {"path": str(tmp_path / "path"), "held_out": str(tmp_path / "held_out")}
    places |= {"conditions": str(tmp_path / "path.npy"), "held_out_conditions": str(tmp_path / "held_out.npy")}
    file = store.read(data_stage(tmp_path, name="folder", **places), "data")
    for name in ("pool", "validation"):
        np.testing.assert_array_equal(file[f"{name}_condition"], vectors_of(file[name]))


def test_a_repeated_image_with_another_condition_is_told(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = vectors_of(np.load(files / "train.npz")["x"])
    other[7] += 1
    np.save(tmp_path / "other.npy", other)
    given = {"conditions": str(tmp_path / "other.npy"), "held_out_conditions": str(files / "held-text.npz")}
    data_stage(tmp_path, **keys(files, **given))
    assert "1 repeated, 0 unused, 59 used, 1 of the repeated with a condition" in capsys.readouterr().err
    data_stage(tmp_path, **keys(files))
    assert "with a condition" not in capsys.readouterr().err


def given_labels(train: list[int], held_out: list[int]) -> Any:
    """Labels of images whose vectors are rows of an identity."""
    rows = np.eye(9, dtype=np.float32)
    images = np.zeros((len(train), 2), np.float32), np.zeros((len(held_out), 2), np.float32)
    none = np.zeros(len(train), np.int64), np.zeros(len(held_out), np.int64)
    return conditions(
        Granularity.parse("given"), images[0], none[0], images[1], none[1], 0, 0, (rows[train], rows[held_out])
    )


def test_equal_vectors_share_a_label_and_unseen_ones_have_their_own() -> None:
    found = given_labels([4, 2, 4, 7], [7, 5, 2, 5])
    assert found.train.tolist() == [0, 1, 0, 2]
    assert found.validation.tolist() == [2, 3, 1, 3]
    assert found.count == 4


def test_a_subset_whose_images_all_share_a_vector_is_refused() -> None:
    """A network would be trained on a condition whose spread is 0, which held-out images divide by."""
    with pytest.raises(DiffbenchError, match="'given': the 3 training images all have one condition"):
        given_labels([4, 4, 4], [4, 5])


def test_clusters_are_those_of_the_vectors(files: Path, tmp_path: Path) -> None:
    """Two far groups of vectors that have nothing to do with the pixels; without vectors the pixels decide."""
    groups = {}
    for name, count in (("train", 60), ("held", 30)):
        groups[name] = np.arange(count) % 2
        np.save(tmp_path / f"{name}.npy", 9 * groups[name][:, None] + 0.1 * np.load(files / f"{name}.npz")["text"])
    given = {"conditions": str(tmp_path / "train.npy"), "held_out_conditions": str(tmp_path / "held.npy")}
    raw = {name: [image.tobytes() for image in np.load(files / f"{name}.npz")["x"]] for name in groups}
    data = data_stage(tmp_path, **keys(files, **given))
    found, file = labelled(data, "kmeans-2", 50), store.read(data, "data")
    assert found.vectors is None
    agree = []
    for name, images, labels in (
        ("train", file["pool"][:50], found.train_labels),
        ("held", file["validation"], found.validation_labels),
    ):
        agree += [
            label == groups[name][raw[name].index(image.tobytes())] for image, label in zip(images, labels, strict=True)
        ]
    assert all(agree) or not any(agree)


def test_a_vector_of_its_own_for_each_image_is_a_label_of_its_own_in_the_closed_form(
    files: Path, tmp_path: Path
) -> None:
    """One-hot vectors, a held-out image having that of the training image nearest to it: granularity unique."""
    unique = labelled(data_stage(tmp_path, **keys(files)), "unique", 59)
    file = store.read(tmp_path / "data.h5", "data")
    place = {image.tobytes(): index for index, image in enumerate(file["pool"])}
    one_hot = np.eye(59, dtype=np.float32)
    x, held = (np.load(files / f"{name}.npz")["x"][:, None] for name in ("train", "held"))
    np.save(tmp_path / "train.npy", one_hot[[place[image.tobytes()] for image in x]])
    nearest = {
        image.tobytes(): label for image, label in zip(file["validation"], unique.validation_labels, strict=True)
    }
    np.save(tmp_path / "held.npy", one_hot[[nearest[image.tobytes()] for image in held]])
    (tmp_path / "given").mkdir()
    named = {"conditions": str(tmp_path / "train.npy"), "held_out_conditions": str(tmp_path / "held.npy")}
    given = labelled(data_stage(tmp_path / "given", **keys(files, **named)), "given", 59)
    for split in ("train", "validation"):
        np.testing.assert_array_equal(given.splits[split][1], unique.splits[split][1])
    assert given.label_count == unique.label_count
    np.testing.assert_array_equal(sample_labels(given, 100), sample_labels(unique, 100))
    sigma, noise = torch.full((29,), 0.3), torch.randn(29, 1, 8, 8)
    x = torch.from_numpy(given.validation[:29]) + 0.3 * noise
    estimates = [
        load_denoiser(Optimal(), each, None, CPU)(x, sigma, torch.from_numpy(each.validation_labels[:29]))
        for each in (given, unique)
    ]
    assert torch.equal(*estimates)
    np.testing.assert_allclose(estimates[0], given.train[given.validation_labels[:29]])


def test_a_vector_that_no_training_image_has_leaves_the_optimum_without_a_condition(
    files: Path, tmp_path: Path
) -> None:
    given = labelled(data_stage(tmp_path, **keys(files)), "given", 59)
    optimum = load_denoiser(Optimal(), given, None, CPU)
    x, sigma = torch.from_numpy(given.validation) + 0.2, torch.full((30,), 0.5)
    assert torch.equal(optimum(x, sigma, torch.from_numpy(given.validation_labels)), optimum(x, sigma, None))


def small(vectors: np.ndarray, labels: np.ndarray, images: np.ndarray) -> TrainingSet:
    from diffbench.data.scaling import Scaling

    none = np.zeros(len(images), np.int64)
    return TrainingSet(
        *(images, labels, images[:2], labels[:2], len(vectors), images[:2], Scaling(0.0, 1.0)),
        *("float32", none, none[:2], vectors),
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(3,), (4, 3)])
def test_models_from_outside_get_vectors_of_their_own_to_write_into(shape: tuple[int, ...]) -> None:
    vectors = np.random.default_rng(0).standard_normal((5, *shape)).astype(np.float32)
    labels, seen = np.array([4, 0, 0, 2]), []
    definition = External.parse({"import": "tests.external_models:shrinking", "scale": "suite"}, "models.theirs")
    denoiser: Any = load_denoiser(definition, small(vectors, labels, np.zeros((4, 1, 2, 2), np.float32)), None, CPU)

    def model(x: torch.Tensor, sigma: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        seen.append(None if label is None else label.clone())
        return x if label is None else x + 0 * label.zero_().sum()

    denoiser._model = model
    x, sigma = torch.zeros(4, 1, 2, 2), torch.ones(4)
    for label in (torch.from_numpy(labels), torch.from_numpy(labels), None):
        denoiser(x, sigma, label)
    assert seen[2] is None
    for given in seen[:2]:
        assert given.dtype == torch.float32
        np.testing.assert_array_equal(given, vectors[labels])


NETWORKS = {
    "mlp": Mlp(width=32, blocks=1),
    "unet": Unet(channels=16, multipliers=(1, 2), blocks=1),
    "dit": Dit(width=24, depth=1, heads=2, patch=2),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_see_what_a_label_stands_for_and_nothing_else_of_it(kind: str) -> None:
    """Numbered otherwise, the same vectors give the same; the null label is that of no vector."""
    rng = np.random.default_rng(0)
    vectors, images = rng.standard_normal((6, 3)).astype(np.float32), rng.standard_normal((8, 1, 4, 4))
    networks = [fresh_network(NETWORKS[kind], (1, 4, 4), 6, 1, 0.0, each) for each in (vectors, vectors[::-1].copy())]
    trainer = Trainer(networks[0], TrainingSettings(batch=8))
    labels = torch.arange(8) % 6
    for _ in trainer.run(torch.from_numpy(images).float(), labels, 0, 30):
        pass
    assert trainer.finite
    networks[1].load_state_dict(trainer.state()["weights"])
    first, other = (network.eval() for network in networks)
    x, sigma = torch.from_numpy(images).float(), torch.full((8,), 0.7)
    with torch.no_grad():
        plain, none = first(x, sigma, labels), first(x, sigma, None)
        torch.testing.assert_close(plain, other(x, sigma, 5 - labels))
        torch.testing.assert_close(none, other(x, sigma, None))
        assert not torch.allclose(plain, none, atol=1e-4)
        assert not torch.allclose(plain, first(x, sigma, labels.roll(1)), atol=1e-4)
    assert not any("vectors" in name for name in trainer.state()["ema"])


def test_a_network_learns_what_vectors_tell_and_carries_it_over_to_unseen_ones() -> None:
    """Images A v + t e. At much noise, the exact denoiser given v errs by about t^2, without v by E|A v|^2 more."""
    rng = np.random.default_rng(0)
    matrix, vectors = 0.5 * rng.standard_normal((16, 3)), 40 + 100 * rng.standard_normal((600, 3))
    images = (vectors - 40) / 100 @ matrix.T + 0.1 * rng.standard_normal((600, 16))
    images = images.reshape(-1, 1, 4, 4).astype(np.float32)
    chosen = small(vectors.astype(np.float32), np.arange(400), images[:400])
    network = fresh_network(Mlp(width=64, blocks=2), (1, 4, 4), 600, 0, 0.0, chosen.scaled_vectors)
    trainer = Trainer(network, TrainingSettings(batch=128))
    for _ in trainer.run(torch.from_numpy(chosen.train), torch.arange(400), 0, 400):
        pass
    unseen, sigma = torch.from_numpy(images[400:]), 4.0
    noised = unseen + sigma * torch.from_numpy(rng.standard_normal(unseen.shape)).float()
    with torch.no_grad():
        given, none = (
            float((network.eval()(noised, torch.full((200,), sigma), label) - unseen).square().mean())
            for label in (torch.arange(400, 600), None)
        )
    power = float(np.square(vectors[400:] / 100 - 0.4).sum() * np.square(matrix).sum() / 3 / 16 / 200)
    assert given < 0.15 * power < 0.5 * none


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[:-1], "key 'data.conditions': {file}: 59 conditions, but there are 60 images; give one for each"),
        (lambda v: v[:, 0], "conditions of shape (60,) are neither (n, d) nor (n, tokens, d)"),
        (lambda v: v.astype(np.int64), "conditions are of type int64; give floats, and numbers of classes as labels"),
        (lambda v: v[:, :4], "a held-out image's condition has shape (5,), a training image's (4,); make both"),
        (lambda v: {"a": v, "b": v}, "has several arrays or none, name one of a, b"),
    ],
)  # fmt: skip
def test_conditions_that_do_not_fit_are_refused_before_anything_runs(
    files: Path, tmp_path: Path, change: Any, message: str
) -> None:
    changed, path = change(np.load(files / "train.npz")["text"]), tmp_path / "c.npz"
    np.savez(path, **(changed if isinstance(changed, dict) else {"c": changed}))
    given = keys(files, conditions=str(path), held_out_conditions=str(files / "held-text.npz"))
    with pytest.raises(DiffbenchError) as caught:
        source(DataSettings.parse(given, "x")).facts(DataSettings.parse(given, "x"))
    assert message.format(file=path) in str(caught.value)
    assert "\n" not in str(caught.value)


def infinite(vectors: np.ndarray) -> np.ndarray:
    return np.where(np.arange(60)[:, None] == 9, np.inf, vectors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (infinite, "the conditions hold NaN or values beyond float32, in that of image 9, counted from 0"),
        (lambda v: 1e300 * v.astype(np.float64), "in that of image 0 and 59 more, counted from 0; mend them"),
        (np.ones_like, "the conditions of all images are alike, and say nothing; leave them out"),
    ],
)
def test_conditions_that_say_nothing_are_refused_by_the_data_job(
    files: Path, tmp_path: Path, change: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "c.npy", change(np.load(files / "train.npz")["text"]))
    spec = keys(files, conditions=str(tmp_path / "c.npy"), held_out_conditions=str(files / "held-text.npz"))
    assert cli.main(["data", "--spec", json.dumps(spec), "--out", str(tmp_path / "data.h5")]) == 1
    printed = capsys.readouterr().err.strip()
    assert message in printed
    assert "\n" not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["c.npy"]


def test_the_study_refuses_what_does_not_go_together(files: Path) -> None:
    def parsed(data: dict[str, Any], **center: Any) -> None:
        given = {"model": "mlp-small", "train_size": 20, "granularity": "given", "guidance": 0} | center
        parse_study({"name": "s", "data": data, "steps": [1], "center": given}, "s.yaml")

    parsed(keys(files))
    tokens = {"conditions": f"{files / 'tokens.npz'}:t", "held_out_conditions": f"{files / 'tokens.npz'}:h"}
    np.savez(files / "tokens.npz", t=np.ones((60, 7, 5), np.float32), h=np.ones((30, 7, 5), np.float32))
    for data, center, message in (
        (keys(files, conditions=None), {}, "'file' has no conditions that are vectors; name their array"),
        (
            keys(files, conditions=str(files / "train-text.npz")),
            {},
            "key 'data.held_out_conditions': held-out images need conditions",
        ),
        (keys(files, conditions="no"), {}, "train.npz: has no array 'no', it has text, x, y"),
        ({"name": "digits", "conditions": "text"}, {}, "key 'data.conditions': 'text' is no file of arrays; give FILE"),
        (keys(files, conditions=None, held_out_conditions="text"), {}, "the training images have no conditions"),
        (keys(files, **tokens), {}, "'mlp-small': conditions of 7x5 are tokens; to train on them give their mean"),
    ):
        with pytest.raises(DiffbenchError) as caught:
            parsed(data, **center)
        assert message in str(caught.value)
    parsed(keys(files, **tokens), model="optimal")


def test_results_without_conditions_keep_their_fingerprint(files: Path) -> None:
    """That of the record as it was before there were conditions."""
    assert DataSpec.parse({"name": "digits", "validation": 256}, "x").fingerprint == "7fc712ac467288f0"
    named = [DataSpec.parse(keys(files, conditions=name), "x") for name in ("text", "other")]
    assert named[0].fingerprint != named[1].fingerprint
    assert DataSpec.parse_json(named[0].model_dump_json(), "x") == named[0]
