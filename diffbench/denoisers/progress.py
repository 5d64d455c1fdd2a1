"""How far long measurements are: whoever watches hears how many images were evaluated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[int], object]

_WATCHING: list[Told] = []


@contextmanager
def watched(told: Told) -> Iterator[None]:
    """Within it `told` hears of the images of each evaluation once it is done."""
    _WATCHING.append(told)
    try:
        yield
    finally:
        _WATCHING.remove(told)


def evaluated(images: int) -> None:
    """Tell that a denoiser was evaluated at so many images, or at single pixels of them."""
    for told in _WATCHING:
        told(images)
