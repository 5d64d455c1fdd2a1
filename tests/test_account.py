"""What of a user's images is read, left out and used is told: in the plan, by the data job, and in the data file."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data.account import line
from diffbench.data.catalog import outlook
from diffbench.data.formats import folder
from diffbench.files import store
from diffbench.measures.near_copies import NearCopies, near_copies
from diffbench.settings.data import DataSettings
from tests.data_formats import load_own


def picture(seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side)).astype(np.uint8)


def write(root: Path, *names: str) -> None:
    """Distinct pictures of these names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(zlib.crc32(name.encode()))).save(path)


def classes(root: Path, cat: int = 12, dog: int = 12) -> None:
    write(root, *(f"cat/{i}.png" for i in range(cat)), *(f"dog/{i}.png" for i in range(dog)))


def data_of(tmp_path: Path, capsys: pytest.CaptureFixture[str], **keys: Any) -> tuple[store.StageFile, str]:
    """The data file of a study, and what the job said."""
    out = tmp_path / "data.h5"
    spec = {"name": "folder", "path": str(tmp_path / "own"), "validation": 4} | keys
    assert cli.main(["data", "--spec", json.dumps(spec), "--out", str(out)]) == 0
    return store.read(out, "data"), capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((".ipynb_checkpoints/0.png", ".ipynb_checkpoints/1.png"), "2 hidden, e.g. .ipynb_checkpoints/0.png"),
        (("cat/.ipynb_checkpoints/0.png",), "1 hidden, e.g. cat/.ipynb_checkpoints/0.png"),
        (("cat/._0.png", "._cat.png"), "2 hidden, e.g. ._cat.png"),
        (("__MACOSX/cat/._0.png",), "1 hidden, e.g. __MACOSX/cat/._0.png"),
        (("cat/@eaDir/0.png/small.jpg",), "1 hidden, e.g. cat/@eaDir/0.png/small.jpg"),
        ((".DS_Store", "cat/Thumbs.db", "dog/desktop.ini"), "3 hidden, e.g. .DS_Store"),
        (("cat/more/0.png", "cat/more/yet/1.png"), "2 deeper, e.g. cat/more/0.png"),
        (("labels.csv", "cat/0.avif"), "2 of another kind, e.g. labels.csv"),
        (("cat/x.gif!",), "1 empty, e.g. cat/x.gif"),
    ],
)
def test_what_is_not_read_is_told_and_changes_no_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], told: str
) -> None:
    root = tmp_path / "own"
    classes(root)
    for name in names:
        path = root / name.rstrip("!")
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith((".png", ".jpg")) and "._" not in name:
            write(root, name)
        else:
            path.write_bytes(b"" if name.endswith("!") else b"\0\5\x16\7")
    file, said = data_of(tmp_path, capsys)
    expected = f"path: 24 read, {len(names)} not read ({told}), 0 repeated, 0 unused for class balance, 24 used"
    assert said == f"images: {expected}\n"
    assert line(file.attributes["account"]) == expected
    assert file.attributes["class_names"] == ["cat", "dog"]
    assert len(file["pool"]) + len(file["validation"]) == 24
    before = expected.replace(" 0 repeated,", "")
    own = DataSettings(name="folder", path=str(root), validation=4)
    assert outlook(own) == [f"images: {before}", "classes: 0 = cat, 1 = dog"]


def test_an_empty_class_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classes(tmp_path / "own")
    (tmp_path / "own/bird").mkdir()
    file, said = data_of(tmp_path, capsys)
    assert "no images in the sub-folder bird" in said
    assert file.attributes["class_names"] == ["cat", "dog"]


def test_images_that_repeat_or_do_not_balance_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "own"
    classes(root, 40, 6)
    for index in range(3):
        (root / f"cat/again{index}.png").write_bytes((root / "cat/7.png").read_bytes())
    file, said = data_of(tmp_path, capsys)
    assert said == "images: path: 49 read, 0 not read, 3 repeated, 34 unused for class balance, 12 used\n"
    assert len(file["pool"]) + len(file["validation"]) == 12


def test_a_split_in_sub_folders_is_no_set_of_classes(tmp_path: Path) -> None:
    write(tmp_path, "a/train/0.png", "a/Test/0.png", "b/train/cat/0.png", "b/test/cat/0.png", "c/train/0.png")
    write(tmp_path, "c/truck/0.png")
    with pytest.raises(
        DiffbenchError, match=r"sub-folders Test, train are parts of a split, not classes; give .* as path"
    ):
        folder.listed(tmp_path / "a")
    with pytest.raises(DiffbenchError, match=r"holds no images, .* not read: 2 deeper, e\.g\. test/cat/0.png"):
        folder.listed(tmp_path / "b")
    assert folder.listed(tmp_path / "c").names == ["train", "truck"]


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG", ".ppm", ".pgm", ".pnm", ".gif", ".bmp", ".webp", ".tif"])
def test_formats_that_pillow_reads_in_8_bits_are_read(tmp_path: Path, suffix: str) -> None:
    pixels = picture(0)
    kind = {".jfif": "JPEG", ".jpe": "JPEG", ".JPG": "JPEG", ".pnm": "PPM", ".pgm": "PPM", ".ppm": "PPM"}.get(suffix)
    colour = suffix == ".ppm"
    image = Image.fromarray(np.stack([pixels] * 3, axis=2) if colour else pixels)
    image.save(tmp_path / f"x{suffix}", format=kind, lossless=True)
    (raw,) = load_own(tmp_path).images
    exact = suffix.lower() not in (".jfif", ".jpe", ".jpg")
    assert raw.dtype == np.uint8
    assert np.abs(raw.astype(int) - pixels).max() <= (0 if exact else 60)


@pytest.mark.parametrize(
    "content", [b"P6 2 2 65535\n" + bytes(range(24)), b"P6 2 2 1000\n" + bytes(range(24)), b"P3 1 1 300\n1 2 300\n"]
)
def test_sixteen_bits_are_not_cut_to_eight_without_a_word(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ppm").write_bytes(content)
    with pytest.raises(DiffbenchError, match=r"x\.ppm: is of Pillow's mode RGB of 16 bits; save it as grey of 8"):
        load_own(tmp_path)


@pytest.mark.parametrize("size", [(16, 9), (160, 9), (56, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_eight_bits_are_not_taken_for_sixteen_by_a_row_of_so_many_bytes(
    tmp_path: Path, size: tuple[int, int], channels: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, *size)).astype(np.uint8)
    Image.fromarray(pixels[0].T if channels == 1 else pixels.T).save(tmp_path / "x.bmp")
    (raw,) = load_own(tmp_path).images
    assert np.array_equal(raw, pixels.swapaxes(1, 2))


@pytest.mark.parametrize(("content", "pixels"), [(b"P5 2 1 16\n\x00\x10", [0, 255]), (b"P1 2 1\n1 0\n", [0, 255])])
def test_netpbm_of_few_values_is_read(tmp_path: Path, content: bytes, pixels: list[int]) -> None:
    (tmp_path / "x.pnm").write_bytes(content)
    assert load_own(tmp_path).images.ravel().tolist() == pixels


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".png"])
def test_further_frames_and_pages_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    root = tmp_path / "own"
    write(root, *(f"{i}.png" for i in range(8)))
    frames = [Image.fromarray(np.stack([picture(100 + i)] * 3, axis=2)) for i in range(3)]
    for path in root.iterdir():
        Image.open(path).convert("RGB").save(path)
    frames[0].save(
        root / f"moving{suffix}",
        save_all=True,
        append_images=frames[1:],
        lossless=True,
    )
    file, said = data_of(tmp_path, capsys, validation=2)
    assert f"2 further frames or pages, e.g. moving{suffix}" in said
    first = np.asarray(Image.open(root / f"moving{suffix}").convert("RGB")).transpose(2, 0, 1)
    images = np.concatenate([file["pool"], file["validation"]])
    assert (images == first).all(axis=(1, 2, 3)).sum() == 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize(
    ("orientation", "turned"), [(1, lambda x: x), (3, lambda x: x[::-1, ::-1]), (6, lambda x: np.rot90(x, -1))]
)
def test_pictures_are_turned_as_their_exif_says(tmp_path: Path, suffix: str, orientation: int, turned: Any) -> None:
    pixels = np.kron(np.array([[0, 80], [160, 255]], np.uint8), np.ones((8, 16), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / f"x{suffix}", exif=exif, lossless=True)
    raw = load_own(tmp_path)
    expected = turned(pixels)
    assert raw.images[0, 0].shape == expected.shape
    assert np.abs(raw.images[0, 0].astype(int) - expected).max() <= 3
    assert raw.left_out.notes == ([] if orientation == 1 else [f"1 turned as their EXIF says, e.g. x{suffix}"])


def test_copies_on_both_sides_of_a_split_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, held = tmp_path / "own", tmp_path / "held"
    write(root, *(f"{i}.png" for i in range(30)))
    write(held, *(f"new{i}.png" for i in range(10)))
    for index in (3, 5):
        pixels = np.asarray(Image.open(root / f"{index}.png")).astype(int)
        near = np.clip(pixels + np.random.default_rng(index).integers(-1, 2, pixels.shape), 0, 255)
        Image.fromarray(near.astype(np.uint8)).save(held / f"near{index}.png")
    file, said = data_of(tmp_path, capsys, held_out=str(held), validation=512)
    assert "; held_out: 12 read, 0 not read, 0 repeated, 0 unused beyond data.validation, 12 used" in said
    assert "; 2 held-out images are near copies of training images (held-out ~ training: " in said
    assert sorted(map(tuple, file.attributes["account"]["near"])) == [("near3.png", "3.png"), ("near5.png", "5.png")]
    (held / "same.png").write_bytes((root / "9.png").read_bytes())
    spec = {"name": "folder", "path": str(root), "held_out": str(held)}
    assert cli.main(["data", "--spec", json.dumps(spec), "--out", str(tmp_path / "data.h5")]) == 1
    assert "1 of its 13 distinct images are training images too (held_out = path: same.png = 9.png)" in (
        capsys.readouterr().err
    )


def test_near_copies_within_a_set_that_is_split_are_named_by_their_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "x.npy", np.concatenate([images, images[:20] + 1]))
    file, _ = data_of(tmp_path, capsys, name="file", path=str(tmp_path / "x.npy"), validation=40)
    pairs = [sorted(map(int, pair)) for pair in file.attributes["account"]["near"]]
    assert pairs
    assert all(two - one == 60 for one, two in pairs)
    where = {image.tobytes(): "pool" for image in file["pool"][:, 0]}
    across = sum((image.tobytes() in where) != ((image + 1).tobytes() in where) for image in images[:20])
    assert len(pairs) == across


def test_sets_that_are_shipped_say_what_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = data_of(tmp_path, capsys, name="digits", path=None, validation=100)
    assert said.startswith("images: path: 1797 read, 0 not read, 0 repeated, 57 unused for class balance, 1740 used")
    out = tmp_path / "moons.h5"
    assert cli.main(["data", "--spec", '{"name": "moons", "points": 40, "validation": 9}', "--out", str(out)]) == 0
    assert capsys.readouterr().err == ""


def test_near_copies_are_those_of_brute_force_and_no_more_are_compared_than_a_minute_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    references = rng.integers(0, 256, (300, 64)).astype(np.uint8)
    images = np.clip(references[:90] + rng.normal(0, np.linspace(1, 60, 90)[:, None], (90, 64)), 0, 255).astype(
        np.uint8
    )
    distances = np.sqrt(((images[:, None].astype(float) - references[None]) ** 2).sum(axis=2))
    two = np.sort(distances, axis=1)[:, :2]
    expected = [(int(row), int(distances[row].argmin())) for row in np.flatnonzero(two[:, 0] < two[:, 1] / 3)]
    assert 10 < len(expected) < 80
    assert near_copies(images, references) == NearCopies(expected, 90)
    monkeypatch.setattr("diffbench.measures.near_copies.MOST_PRODUCTS", 2 * 300 * 64 * 20)
    assert near_copies(images, references) == NearCopies([pair for pair in expected if pair[0] < 20], 20)
