"""Run: a study through the workflow that comes along, in any folder. The process becomes that of Snakemake."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from diffbench.bundled import profiles, snakefile, study_file
from diffbench.bundled.profile import find_profile
from diffbench.conventions import RESULTS, DiffbenchError
from diffbench.files.output import unwritable
from diffbench.study import layout
from diffbench.study.file import load_study
from diffbench.summary.manifest import read_manifest

LONG, SHORT = ("--cores", "--jobs", "--executor"), ("-c", "-j", "-e")
"""Options of Snakemake that say how many jobs run at a time, or that other machines run them."""


def run(
    study: Annotated[str, "study file, or the name of a study that comes along (`diffbench studies`)"],
    /,
    *snakemake: Annotated[str, "What stands after -- goes to Snakemake: diffbench run smoke -- --dry-run"],
    cores: Annotated[int | None, "CPU cores to use; all of this machine if left out"] = None,
    profile: Annotated[str | None, "profile of Snakemake: slurm and the like by name, your own by its path"] = None,
    results: Annotated[
        Path | None, "folder of the results; results/NAME if left out, else a link there leads to it"
    ] = None,
) -> None:
    """Make all results of a study and its report, or what of them is missing or out of date."""
    path = study_file(study)
    name = load_study(path).name
    if cores is not None and cores < 1:
        raise DiffbenchError(f"--cores: {cores} is no number of cores; give 1 or more")
    options = ["--snakefile", str(snakefile()), "--configfile", str(path)]
    options += ["--workflow-profile", str(profiles()["default"])]
    said = list(snakemake)
    if profile is not None:
        found = find_profile(profile)
        options += ["--profile", str(found.path)]
        said += [f"--{key}" for key in found.settings]
    if cores is not None:
        options += ["--cores", str(cores)]
    elif not any(option.partition("=")[0] in LONG or option[:2] in SHORT for option in said):
        options += ["--cores", "all"]
    _check_writable()
    if results is not None:
        _lead_to(results, name)
    os.execv(  # this Python and fixed words, but for what the user wrote  # nosec B606
        sys.executable, [sys.executable, "-m", "snakemake", *options, *snakemake]
    )


def _check_writable() -> None:
    """Refuse a working directory in which Snakemake cannot keep what it knows of its runs."""
    try:
        tempfile.TemporaryFile(dir=Path()).close()
    except OSError as error:
        raise unwritable(Path.cwd(), error) from None


def _lead_to(folder: Path, name: str) -> None:
    """Make results/NAME a link to `folder`, so that all commands find them. DiffbenchError if either is taken."""
    link, target = Path(RESULTS, name), folder.resolve()
    _check_free(folder, name)
    if link.resolve() == target and target.is_dir():
        return
    if link.exists() or link.is_symlink():
        raise DiffbenchError(f"--results: {link} is there already; leave the option out, or move {link} away first")
    try:
        target.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    except OSError as error:
        raise unwritable(Path(error.filename or folder), error) from None


def _check_free(folder: Path, name: str) -> None:
    """Refuse a folder that holds something else than results of the study of this name."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DiffbenchError(f"--results: {folder}: no folder; give a new one")
    if (folder / layout.MANIFEST).exists():
        held = read_manifest(folder)["study"]["name"]
        if held != name:
            raise DiffbenchError(f"--results: {folder}: holds results of the study {held}; give a new folder")
    elif any(folder.iterdir()) and not any((folder / mark).exists() for mark in (layout.LOCK, layout.DATA.pattern)):
        raise DiffbenchError(f"--results: {folder}: holds other files than results; give a new folder")
