"""Reading a study: from YAML or plain values to a checked Study, or one error that names every bad key."""

from pathlib import Path
from typing import Any

import yaml

from diffbench.conventions import DiffbenchError
from diffbench.study.checks import problems, problems_of_cells
from diffbench.study.study import Study


def load_study(path: Path | str) -> Study:
    """Read and check a study file. Raises DiffbenchError naming the file and every key that is wrong."""
    try:
        raw = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise DiffbenchError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DiffbenchError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return parse_study(raw, str(path))


def parse_study(raw: Any, origin: str) -> Study:
    """Check plain values as a study. Raises DiffbenchError naming `origin` and every key that is wrong."""
    if not isinstance(raw, dict):
        raise DiffbenchError(f"{origin}: a study is a mapping of keys to values, see config/README.md")
    study = Study.parse(raw | _with_kinds(raw), origin)
    if found := list(problems(study)) or list(problems_of_cells(study)):
        raise DiffbenchError("; ".join(f"{origin}: {problem}" for problem in found))
    return study


def _with_kinds(raw: dict[str, Any]) -> dict[str, Any]:
    """The models of a study file, with the kind of those that need not say it since they name an import."""
    models = raw.get("models")
    if not isinstance(models, dict):
        return {}
    external = {"kind": "external"}
    named = {
        name: external | model if isinstance(model, dict) and "import" in model else model
        for name, model in models.items()
    }
    return {"models": named}
