"""What comes along with the package: the workflow, its profiles, and studies.

In a clone they are links to where these lie, in a wheel the files themselves: whoever needs one asks here.
"""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from diffbench.conventions import DiffbenchError


def snakefile() -> Path:
    """The workflow."""
    return _folder("workflow") / "Snakefile"


def profiles() -> dict[str, Path]:
    """Folders of Snakemake's profiles by name."""
    return {path.parent.name: path.parent for path in sorted(_folder("workflow").glob("profiles/*/profile.yaml"))}


def studies() -> dict[str, Path]:
    """Study files by the name of the study, the default one first."""
    folder = _folder("config")
    files = [folder / "config.yaml", *sorted(folder.glob("studies/*.yaml"))]
    return {yaml.safe_load(path.read_bytes())["name"]: path for path in files}


def template() -> Path:
    """A study with a comment for each key, to start from."""
    return _folder("config") / "template.yaml"


def _folder(name: str) -> Path:
    """DiffbenchError where links were lost on the way, as in an archive that keeps none."""
    folder = Path(__file__).with_name(name).resolve()
    if not folder.is_dir():
        raise DiffbenchError(f"{folder}: did not come along with this installation; install a wheel, or from git")
    return folder


def summary_of(study: Path) -> str:
    """The first sentence of what a study file says of itself."""
    head = re.match(r"(#.*\n)*", study.read_text(encoding="utf-8"))
    assert head
    return re.split(r"(?<=[.?]) ", " ".join(re.sub("^# ?", "", head[0], flags=re.MULTILINE).split()))[0]


def study_file(given: Path | str) -> Path:
    """A study file by its path, or by the name of a study that comes along.

    DiffbenchError for a name that is none, with the nearest ones. Whether there is a file is left to its reader.
    """
    path = Path(given)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    known = studies()
    if path.name not in known:
        raise DiffbenchError(f"{given}: no file, nor a study that comes along; {nearest(path.name, known)}")
    return known[path.name]


def nearest(name: str, known: Iterable[str]) -> str:
    """The names most like one that is not known, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known)
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}"
