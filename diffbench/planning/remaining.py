"""How much work is left, from what finished jobs took and from what was planned."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class Progress:
    """Jobs of a stage: how many there are, how many are done, and seconds that these took."""

    total: int
    done: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Left:
    """Seconds of work that is left; at_least: of some stages nothing is known yet, and they are not counted."""

    seconds: float
    at_least: bool

    def text(self, parallel: float = 1.0) -> str:
        """In words, where so many jobs run at a time."""
        return f"{'at least ' * self.at_least}{duration(self.seconds / parallel)} left"


def work_left(stages: Mapping[str, Progress], planned: Mapping[str, float] | None = None) -> Left:
    """What is left of all stages.

    planned: seconds of a job of each stage in the mean, as planned; stages that it lacks count for nothing. Jobs of a
    stage differ, and the first to finish may be the shortest: so what was planned for the whole stage counts first,
    less what is spent, and what finished jobs took counts the more, the more of them there are. None: nothing was
    planned.
    """
    seconds, at_least = 0.0, False
    for name, stage in stages.items():
        left = stage.total - stage.done
        if left <= 0:
            continue
        measured = left * stage.seconds / stage.done if stage.done else None
        expected = None if planned is None else stage.total * planned.get(name, 0.0) - stage.seconds
        if measured is None or expected is None:
            known = expected if measured is None else measured
            seconds += max(0.0, known or 0.0)
            at_least |= known is None
        else:
            share = stage.done / stage.total
            seconds += (1 - share) * max(0.0, expected) + share * measured
    return Left(seconds, at_least)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as one says them."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
