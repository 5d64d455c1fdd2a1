"""A run that is told to end takes its jobs with it, whichever signal told it."""

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import psutil

from diffbench.forkserver.start import servers

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
PATIENCE = 5.0
"""Seconds in which a process must have ended before it is killed."""


class Interruption:
    """Whether this run was told to end, and by what.

    Snakemake waits for running jobs at SIGTERM, and at a SIGINT that they did not get; at SIGHUP it goes without them.
    With this it ends at all three as at Ctrl-C on a terminal, which jobs get too. On clusters it then cancels them.
    """

    def __init__(self) -> None:
        self.by: str | None = None

    def watch(self, jobs_are_processes: bool) -> None:
        """Mind the signals from now on, but for those that whoever started the run lets it ignore, as nohup does.

        jobs_are_processes: on this machine, which are to be ended. What hands jobs to a cluster is better not.
        """
        self._jobs_are_processes = jobs_are_processes
        for number in SIGNALS:
            with suppress(ValueError):  # not in the main thread
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self._end)

    def _end(self, number: int, _: FrameType | None) -> None:
        self.by = signal.Signals(number).name
        if self._jobs_are_processes:
            end(running_processes())
        raise KeyboardInterrupt


def running_processes() -> list[psutil.Process]:
    """What this process has started, but for servers: they end with it, and their calls with their clients."""
    own = [each for each in psutil.Process().children() if each.pid not in servers()]
    return [*own, *(child for each in own for child in _children(each))]


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def end(processes: list[psutil.Process]) -> None:
    """End processes: those that do not at once a little later. They are not waited for: others do, to learn how."""
    _each(processes, psutil.Process.terminate)
    later = threading.Timer(PATIENCE, _each, (processes, psutil.Process.kill))
    later.daemon = True
    later.start()


def _each(processes: list[psutil.Process], act: Callable[[psutil.Process], object]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            act(process)
