"""What a Slurm says of itself: how long its partitions let a job run, and how much memory their nodes have."""

import math
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from diffbench.conventions import DiffbenchError

PATIENCE = 30
"""Seconds in which Slurm must answer."""


@dataclass(frozen=True)
class Partition:
    """Minutes and MB that a job may ask for at most."""

    name: str
    minutes: float
    mb: float


ANY = Partition("", math.inf, math.inf)
"""Of which nothing is known."""


def partitions() -> dict[str, Partition]:
    """Partitions by name, and by "" the one that jobs go to by themselves; none where Slurm does not tell."""
    found: dict[str, Partition] = {}
    for line in _answer("sinfo", "--all", "--exact", "--noheader", "--format=%P|%l|%m").splitlines():
        name, limit, memory = line.strip().split("|")
        plain = name.rstrip("*")
        before = found.get(plain, Partition(plain, 0, 0))
        mb = max(before.mb, float(memory.rstrip("+")))
        found[plain] = Partition(plain, max(before.minutes, minutes_of(limit)), mb)
        if name != plain:
            found[""] = found[plain]
    return found


def minutes_of(limit: str) -> float:
    """Minutes of a time as Slurm writes it: days-hours:minutes:seconds, of which the first may be missing."""
    if limit in ("infinite", "n/a"):
        return math.inf
    days, _, rest = limit.rpartition("-")
    clock = [int(part) for part in rest.split(":")]
    hours, minutes, seconds = [0] * (3 - len(clock)) + clock
    return (int(days or 0) * 24 + hours) * 60 + minutes + seconds / 60


def allowed(found: Mapping[str, Partition], asked: str | None) -> Partition:
    """The partition that a job goes to, or of several with commas between them what each lets it have at most."""
    named = [found.get(name, ANY) for name in (asked or "").split(",")]
    return Partition(asked or named[0].name, max(each.minutes for each in named), max(each.mb for each in named))


def refuse(job: str, rule: str, minutes: float, mb: float, partition: Partition) -> None:
    """DiffbenchError if a partition would let a job wait for ever, as it never takes it.

    job: its name, for people. rule: whose resources are to be set by hand.
    """
    if minutes > partition.minutes:
        limit = math.floor(partition.minutes)
        raise DiffbenchError(
            f"{job} asks for {minutes} minutes, and partition {partition.name} lets a job run {limit}: name a"
            f" longer one (slurm_partition), or set its minutes (--set-resources {rule}:runtime={limit})"
        )
    if mb > partition.mb:
        limit = math.floor(partition.mb)
        raise DiffbenchError(
            f"{job} asks for {mb} MB, and no node of partition {partition.name} has more than {limit}: name another one"
            f" (slurm_partition), or set its memory (--set-resources {rule}:mem_mb={limit})"
        )


def sacct_answers() -> bool:
    """Whether this Slurm keeps the account of jobs that `sacct` asks for; the command is there without it, too."""
    try:
        asked = subprocess.run(["sacct", "--noheader"], capture_output=True, timeout=PATIENCE)  # fixed words  # nosec
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _answer(*command: str) -> str:
    """What a command prints; nothing if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)  # fixed words  # nosec
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
