"""What can be wrong with a file of the results: damaged, or whole but of other settings."""

from pathlib import Path

from diffbench.conventions import DiffbenchError


class BrokenFileError(DiffbenchError):
    """A file is damaged: its content is not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class StaleFileError(DiffbenchError):
    """A file is whole, but made with other settings, factors or inputs than the study has."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
