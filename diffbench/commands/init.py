"""Init: a commented study in an empty folder, to start from."""

from pathlib import Path
from typing import Annotated

from diffbench.bundled import template
from diffbench.conventions import DiffbenchError
from diffbench.files.output import unwritable

FILE = "study.yaml"


def run(folder: Annotated[Path, "empty or new folder; this one if left out"] = Path(), /) -> None:
    """Write study.yaml into a folder that holds nothing yet, and say what to type next."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise DiffbenchError(f"{folder.resolve()}: not empty; give a new folder: diffbench init NAME")
        (folder / FILE).write_bytes(template().read_bytes())
    except OSError as error:
        raise unwritable(folder, error) from None
    print(f"Wrote {folder / FILE}: its comments say what to change. Next:")
    if folder != Path():
        print(f"  cd {folder}")
    print(f"  diffbench plan --study {FILE}    what it means and costs\n  diffbench run {FILE}             runs it")
