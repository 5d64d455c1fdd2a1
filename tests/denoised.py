"""Stages up to denoise, run through the command line."""

import json
from pathlib import Path
from typing import Any

from diffbench import cli
from diffbench.files import store
from diffbench.files.store import StageFile


def denoised(
    folder: Path, data: dict[str, Any], train_size: int, gap: dict[str, Any], kind: str = "optimal"
) -> tuple[StageFile, StageFile]:
    """The files of optimum and denoise, of a model that is not trained, on a training subset without conditions."""
    subset = {"factors": {"train_size": train_size, "granularity": "none"}}
    paths = {name: folder / f"{name}.h5" for name in ("data", "conditions", "optimum", "denoise")}
    images = ["--data", paths["data"], "--conditions", paths["conditions"]]
    for stage, spec, files in (
        ("data", data, []),
        ("conditions", subset | {"seed": 0}, ["--data", paths["data"]]),
        ("optimum", subset | {"gap": gap, "model": {"kind": "optimal"}}, images),
        ("denoise", subset | {"gap": gap, "model": {"kind": kind}}, [*images, "--optimum", paths["optimum"]]),
    ):
        arguments = [stage, "--spec", json.dumps(spec), *files, "--out", paths[stage]]
        assert cli.main(list(map(str, arguments))) == 0
    return store.read(paths["optimum"], "optimum"), store.read(paths["denoise"], "denoise")
