"""What became of the images that a study was given: read or not, repeated, left aside, used. Kept in the data file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from diffbench.files.surroundings import plain_text

NAMED = 5
"""Images or pairs that a line names."""

FOR_BALANCE = " for class balance"
BEYOND_VALIDATION = " beyond data.validation"
"""Why images are not used."""


@dataclass
class LeftOut:
    """Files that are not read, by the reason, with an example of each; and what else is to be said of those read."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, reason: str, path: Path, count: int = 1) -> None:
        """Count a file, or so many parts of it."""
        if count:
            self.counts[reason] = self.counts.get(reason, 0) + count
            self.examples.setdefault(reason, plain_text(path.as_posix()))

    def note(self, text: str) -> None:
        """Say something that is no number of files."""
        self.notes.append(text)

    @property
    def count(self) -> int:
        """Files that are not read."""
        return sum(self.counts.values())

    @property
    def text(self) -> str:
        """How many for which reason."""
        return "; ".join(f"{count} {reason}, e.g. {self.examples[reason]}" for reason, count in self.counts.items())


@dataclass(frozen=True)
class Account:
    """The images of one set, in numbers."""

    read: int
    not_read: int
    why: str
    notes: tuple[str, ...]
    repeated: int | None
    """None until the images have been read."""
    unused: int
    unused_why: str
    used: int

    @classmethod
    def of(cls, read: int, left_out: LeftOut, used: int, unused_why: str, distinct: int | None = None) -> "Account":
        """The account of so many images, of which so many are distinct, where that is known, and so many used."""
        repeated = None if distinct is None else read - distinct
        unused = (read if distinct is None else distinct) - used
        return cls(read, left_out.count, left_out.text, tuple(left_out.notes), repeated, unused, unused_why, used)


def as_attribute(sets: Mapping[str, Account], near: Sequence[Sequence[Any]] = (), compared: str = "") -> dict[str, Any]:
    """What the data file keeps, by the sets' keys, with pairs (held-out image, training image) of near copies."""
    return {"sets": {key: asdict(account) for key, account in sets.items()}, "near": list(near), "compared": compared}


def line(account: Mapping[str, Any]) -> str:
    """The account that a data file keeps as its attribute `account`, in one line."""
    return "; ".join(phrases(account))


def phrases(account: Mapping[str, Any]) -> Iterator[str]:
    """The parts of that line: one for each set, and one for near copies on both sides of the split."""
    for key, kept in account["sets"].items():
        yield f"{key}: {_numbers(Account(**kept))}"
    if near := account["near"]:
        pairs = ", ".join(f"{held_out} ~ {train}" for held_out, train in near[:NAMED])
        yield (
            f"{len(near)} held-out images{account['compared']} are near copies of training images"
            f" (held-out ~ training: {pairs}{', ...' if len(near) > NAMED else ''})"
        )


def _numbers(account: Account) -> str:
    not_read = f"{account.not_read} not read" + (f" ({account.why})" if account.why else "")
    repeated = [] if account.repeated is None else [f"{account.repeated} repeated"]
    unused = f"{account.unused} unused{account.unused_why}"
    parts = [f"{account.read} read", not_read, *repeated, unused, f"{account.used} used"]
    return ", ".join([*parts, *account.notes])


def numbered(class_names: Sequence[str]) -> str:
    """Each class's number, which a model is handed as its label, and its name."""
    return ", ".join(f"{number} = {name}" for number, name in enumerate(class_names))
