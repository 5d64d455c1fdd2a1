"""Reading a study: from YAML or plain values to a checked Study, or one error that names every bad key."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from diffbench.bundled import study_file
from diffbench.conventions import DiffbenchError
from diffbench.study.checks import problems
from diffbench.study.study import Study
from diffbench.study.yaml_loader import as_written, load_yaml

DEFAULT = Path("config/config.yaml")
"""The study that is meant where none is named, as Snakemake has it."""


def load_study(path: Path | str) -> Study:
    """Read and check a study file, or by its name one that comes along. DiffbenchError names it and every wrong key."""
    if Path(path) == DEFAULT and not DEFAULT.exists():
        raise DiffbenchError(f"{DEFAULT}: no such file here; name a study, as in --study study.yaml or --study smoke")
    return parse_study(_read(study_file(path)), str(path))


def load_configured(
    files: Sequence[Path | str], given: Mapping[str, Any], config: Mapping[str, Any], read: Callable[[Any], Any]
) -> Study:
    """The study of Snakemake's configuration: its files, later ones over earlier ones, and over them --config.

    They are read here, since Snakemake's own reader falls into the traps of YAML 1.1 (see `yaml_loader`). Where
    `config` is something else than `read`, that reader, makes of them, as where this workflow is a module of another,
    it is the study as it stands.
    """
    origin = ", ".join([*map(str, files), *(["--config"] if given else [])])
    if not origin or config != reduce(_over, [*map(read, files), dict(given)]):
        return parse_study(dict(config), origin or "config")
    return parse_study(reduce(_over, [*(_read(Path(path)) for path in files), as_written(given)]), origin)


def _over(lower: Any, upper: Any) -> Any:
    """Mappings laid over each other, key by key; anything else takes the place of what it lies over."""
    if not isinstance(lower, dict) or not isinstance(upper, dict):
        return upper
    return lower | {key: _over(lower[key], value) if key in lower else value for key, value in upper.items()}


def _read(path: Path) -> Any:
    try:
        return load_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise DiffbenchError(f"{path}: cannot be read: {error.strerror}") from None


def parse_study(raw: Any, origin: str) -> Study:
    """Check plain values as a study. Raises DiffbenchError naming `origin` and every key that is wrong."""
    if not isinstance(raw, dict):
        raise DiffbenchError(f"{origin}: a study is a mapping of keys to values, see config/README.md")
    if old := list(_old_words(raw)):
        raise DiffbenchError("; ".join(f"{origin}: {problem}" for problem in old))
    study = Study.parse(raw | _with_kinds(raw), origin)
    if wrong := list(problems(study)):
        raise DiffbenchError("; ".join(f"{origin}: {problem}" for problem in wrong))
    return study


def _old_words(raw: dict[str, Any]) -> Iterator[str]:
    """Keys and values of earlier versions, with the word that took their place."""
    if "optimizer" in _mapping(raw.get("training")):
        yield "key 'training.optimizer' is gone: every network is trained by Adam; leave it out"
    for name, model in _mapping(raw.get("models")).items():
        if _mapping(model).get("kind") == "foreign":
            yield f"key 'models.{name}.kind': 'foreign' is called 'external' now, and may be left out beside import"


def _with_kinds(raw: dict[str, Any]) -> dict[str, Any]:
    """The models of a study file, with the kind of those that need not say it since they name an import."""
    models = _mapping(raw.get("models"))
    external = {"kind": "external"}
    named = {name: external | model if "import" in _mapping(model) else model for name, model in models.items()}
    return {"models": named} if named else {}


def _mapping(value: Any) -> dict[str, Any]:
    """A part of a study file that should be a mapping; what is none is refused later, by its type."""
    return value if isinstance(value, dict) else {}
