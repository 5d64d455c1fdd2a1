"""What made the files of results: schema, package versions, commits, machines and devices, and where these differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ALONE = ("git_commit", "machine", "device")
"""Attributes that hold one word each, beside the versions."""


@dataclass
class Count:
    """Files of one origin."""

    files: int
    example: str


class Origins:
    """Counts files by what made them: each value of each thing, by the folder that holds the file."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, dict[str, Count]]] = {}

    def add(self, told: Mapping[str, Any], path: str, folder: str = "") -> None:
        """A file by its attributes."""
        values = {**told.get("versions", {}), **{name: told[name] for name in ALONE if name in told}}
        for name, value in values.items():
            count = self._seen.setdefault(name, {}).setdefault(str(value), {}).setdefault(folder, Count(0, path))
            count.files += 1

    def values(self) -> dict[str, list[str]]:
        """All that was seen: thing -> its values, in the order in which they were met."""
        return {name: list(values) for name, values in sorted(self._seen.items())}

    def differing(self) -> dict[str, dict[str, dict[str, Count]]]:
        """What is not the same of all files: thing -> value -> folder -> files."""
        return {name: values for name, values in sorted(self._seen.items()) if len(values) > 1}

    def lines(self) -> Iterator[str]:
        """The same as people read it, a line for each thing that differs."""
        for name, values in self.differing().items():
            parts = [
                f"{value} ({count.files} {'file' if count.files == 1 else 'files'}"
                + (f" of {folder})" if folder else f", e.g. {count.example})")
                for value, folders in values.items()
                for folder, count in folders.items()
            ]
            yield f"note: {name} differs: {'; '.join(parts)}"

    def as_record(self) -> dict[str, dict[str, int]]:
        """The same as JSON holds it: thing -> value -> number of files."""
        return {
            name: {value: sum(count.files for count in folders.values()) for value, folders in values.items()}
            for name, values in self.differing().items()
        }
