"""What a plan says of a study's own images: what the data job would, before it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data import preview as previews
from diffbench.data.preview import check_sizes, preview
from diffbench.settings.data import DataSettings

COUNT = 200


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """So many pictures, and two that repeat the first."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8)).astype(np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    for name in ("again", "and-again"):
        (folder / f"{name}.png").write_bytes((folder / "000.png").read_bytes())
    return folder


def spec(folder: Path, **keys: object) -> DataSettings:
    return DataSettings.parse({"name": "folder", "path": str(folder), "validation": 50} | keys, "test")


def quiet(*_: object) -> None:
    """Hears nothing."""


def test_repeated_images_are_counted_as_the_data_job_counts_them(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = preview(spec(photos), quiet)
    out = str(tmp_path / "data.h5")
    assert cli.main(["data", "--spec", spec(photos).model_dump_json(), "--out", out]) == 0
    assert seen.lines == [capsys.readouterr().err.strip()]
    assert "202 read, 0 not read, 2 repeated, 0 unused for class balance, 200 used" in seen.lines[0]
    assert seen.pool == COUNT - 50
    check_sizes(spec(photos), seen, {150})
    with pytest.raises(DiffbenchError, match="key 'train_size': 151 is beyond the 150 images that 'folder' leaves"):
        check_sizes(spec(photos), seen, {100, 151})


def test_of_many_images_headers_alone_are_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "AT_ONCE", COUNT)
    monkeypatch.setattr("diffbench.data.image_source.ImageSource.split", None)
    told: list[tuple[str, int, int]] = []
    seen = preview(spec(photos), lambda *what: told.append(what))
    assert seen.pool is None
    assert "202 read, 0 not read, 0 unused for class balance, 202 used" in seen.lines[0]
    assert "repeated images are looked for when the study runs" in seen.lines[1]
    assert told == [("headers of images", done, 202) for done in (0, 100, 200)]


@pytest.mark.parametrize("at_once", [previews.AT_ONCE, COUNT])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("117.png", (8, 9), "117.png: has shape"),
        ("118.png", b"no picture", "118.png: not a whole image file"),
        ("201.png", (8, 8, 3), "201.png: has shape (3, 8, 8), but"),
    ],
)
def test_a_file_that_the_data_job_would_end_at_ends_the_plan(
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    name: str,
    content: bytes | tuple[int, ...],
    message: str,
) -> None:
    monkeypatch.setattr(previews, "AT_ONCE", at_once)
    if isinstance(content, bytes):
        (photos / name).write_bytes(content)
    else:
        Image.fromarray(np.random.default_rng(1).integers(0, 256, content).astype(np.uint8)).save(photos / name)
    with pytest.raises(DiffbenchError) as error:
        preview(spec(photos), quiet)
    assert str(error.value).startswith("key 'data.path': ")
    assert message in str(error.value)


def test_a_split_of_ones_own_is_looked_at_on_both_sides(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "train.npy", images[[0, 1, 1, 2, 3, 4]])
    np.save(tmp_path / "held.npy", images[5:])
    given = DataSettings(
        name="file", path=str(tmp_path / "train.npy"), held_out=str(tmp_path / "held.npy"), validation=3
    )
    seen = preview(given, quiet)
    assert "path: 6 read, 0 not read, 1 repeated, 0 unused, 5 used" in seen.lines[0]
    assert "held_out: 5 read, 0 not read, 0 repeated, 2 unused beyond data.validation, 3 used" in seen.lines[0]
    assert seen.pool == 5


def test_a_plan_stops_at_such_a_file_in_one_line(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = {"name": "own", "data": spec(photos).model_dump(), "steps": [1], "center": {"train_size": 20}}
    study["center"] |= {"granularity": "none"}
    (tmp_path / "own.yaml").write_text(json.dumps(study))
    (photos / "050.png").write_bytes(b"\x89PNG")
    assert cli.main(["plan", "--study", str(tmp_path / "own.yaml")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "050.png: not a whole image file" in said.err
