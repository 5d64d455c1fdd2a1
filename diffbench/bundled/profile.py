"""A profile of Snakemake: found by its name or path, and what it needs."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from diffbench.bundled import nearest, profiles
from diffbench.conventions import DiffbenchError

OWN = ("local", "dryrun", "touch")
"""Executors that Snakemake has without a plug-in."""


@dataclass(frozen=True)
class Profile:
    """Where a profile lies, and the options of Snakemake that it sets."""

    path: Path
    settings: dict[str, Any]


def find_profile(given: str) -> Profile:
    """The profile at a path, or of a name: one that comes along, or that Snakemake keeps for the user or the site.

    DiffbenchError if there is none, or if its executor is a plug-in that is not installed.
    """
    known = profiles()
    user = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    places = [Path(given), known.get(given), user / "snakemake" / given, Path("/etc/xdg/snakemake", given)]
    for path in filter(None, places):
        if file := _file(path):
            return Profile(path, _settings(given, file))
    raise DiffbenchError(f"--profile: {given}: no profile, nor one that comes along; {nearest(given, known)}")


def _file(profile: Path) -> Path | None:
    """The file of a profile, as Snakemake calls it: profile.yaml, config.yaml, or either with a version in its name."""
    if profile.is_file():
        return profile
    named = [path for name in ("profile", "config") for path in sorted(profile.glob(f"{name}*.yaml"))]
    return named[0] if named else None


def _settings(given: str, file: Path) -> dict[str, Any]:
    """What a profile sets; nothing is known of one that is no plain YAML, as Snakemake's templates are none."""
    try:
        settings = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError:
        return {}
    if not isinstance(settings, dict):
        return {}
    executor = settings.get("executor", OWN[0])
    plugin = f"snakemake-executor-plugin-{executor}"
    if executor not in OWN and find_spec(plugin.replace("-", "_")) is None:
        raise DiffbenchError(f"--profile: {given} needs {plugin}, which is not installed: pip install {plugin}")
    return settings
