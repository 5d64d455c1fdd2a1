"""diffbench: does a diffusion model memorize or generalize, at which noise level, and what made it so?"""

TYPE_CHECKING = False  # that of typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from diffbench.api.audit import audit
    from diffbench.api.inspect import inspect
    from diffbench.api.results import Results, load_results
    from diffbench.conventions import DiffbenchError
    from diffbench.study.file import load_study
    from diffbench.study.study import Study

__all__ = ["DiffbenchError", "Results", "Study", "__version__", "audit", "inspect", "load_results", "load_study"]

__version__ = "0.1.0"

_HOMES = {
    "DiffbenchError": "conventions",
    "Results": "api.results",
    "Study": "study.study",
    "audit": "api.audit",
    "inspect": "api.inspect",
    "load_results": "api.results",
    "load_study": "study.file",
}
"""Where each name comes from. It is imported when it is first asked for: jobs start without what they do not need."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'diffbench' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"diffbench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
