"""The server: one thread that waits for clients, forks a child for each call, and tells them how it ended.

Before a fork it imports the stage that is asked for, once; while there is nothing to do it imports those to come. It
runs nothing itself, so that neither threads nor CUDA exist when it forks.
"""

import gc
import importlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from diffbench.files.surroundings import THREAD_VARIABLES
from diffbench.forkserver.client import ACCEPTED, STATUS_BYTES, python, same_user
from diffbench.forkserver.request import Request, environment_at_start

RUNTIME_VARIABLES = ("_", "PWD", "OLDPWD", "SHLVL", "PATH", "TMPDIR", "TMP", "TEMPDIR", "TEMP", "CUDA_VISIBLE_DEVICES")
"""Environment variables that nothing reads when it is imported, beside those of numbers of threads."""

IMPORTED_LATER = {
    "data": ("sklearn.datasets",),
    "conditions": ("sklearn.cluster", "sklearn.neighbors"),
    "features": ("sklearn.decomposition", "sklearn.neural_network"),
    "lab": ("scipy.optimize",),
    "equivalent": ("scipy.optimize",),
    "memorization": ("scipy.cluster.vq", "scipy.spatial"),
    "optimum": ("scipy.optimize",),
    "denoise": ("scipy.optimize",),
}
"""What stages import while they run, since not all of their jobs need it, or it takes long."""

GRACE = 1.0
"""Seconds in which a child whose client is gone may tidy up."""
PATIENCE = 5.0
"""Seconds in which a client must have sent its request."""


class Child(NamedTuple):
    """A running call: its process, and the connection on which its client waits."""

    pid: int
    connection: socket.socket


class Server:
    """Serves clients on a listening socket until `owner`, a pipe of which the run holds the other end, is closed."""

    def __init__(self, listener: socket.socket, owner: int, stages: Iterable[str] = ()) -> None:
        """`stages`: those to come, in their order."""
        self._listener, self._owner = listener, owner
        self._to_import, self._imported = list(stages), set[str]()
        self._environment = _lasting(environment_at_start())
        self._sources = self._sources_now
        self._children: dict[int, Child] = {}  # by descriptor of the process
        self._last_moment: dict[int, float] = {}  # of children whose clients are gone
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(owner, selectors.EVENT_READ)

    def serve(self) -> Request | None:
        """Returns None when the run has ended, and in every child what it is to run."""
        while True:
            ready = [key.fd for key, _ in self._selector.select(self._wait)]
            if self._owner in ready:
                self._end_children()
                return None
            if self._listener.fileno() in ready:
                request = self._accept()
                if request:
                    return request
            self._settle(ready)
            if not ready and self._to_import:
                self._import(self._to_import.pop(0))

    @property
    def _wait(self) -> float | None:
        if self._to_import:
            return 0.0
        if self._last_moment:
            return max(0.0, min(self._last_moment.values()) - time.monotonic())
        return None

    def _settle(self, ready: list[int]) -> None:
        """Tell of children that have ended, and end those whose clients are gone."""
        for process, child in list(self._children.items()):
            if process in ready:
                self._tell(process)
            elif child.connection.fileno() in ready:
                self._selector.unregister(child.connection)
                os.kill(child.pid, signal.SIGINT)
                self._last_moment[process] = time.monotonic() + GRACE
            elif self._last_moment.get(process, float("inf")) <= time.monotonic():
                os.kill(child.pid, signal.SIGKILL)
                del self._last_moment[process]

    def _tell(self, process: int) -> None:
        child = self._children.pop(process)
        self._last_moment.pop(process, None)
        _, status = os.waitpid(child.pid, 0)
        self._selector.unregister(process)
        os.close(process)
        with child.connection as connection:
            if connection in self._selector.get_map():
                self._selector.unregister(connection)
            try:
                connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(STATUS_BYTES, "big", signed=True))
            except OSError:  # the client is gone
                return

    def _end_children(self) -> None:
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)

    def _accept(self) -> Request | None:
        """Begin a call. Returns it in its child."""
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        if not same_user(connection):
            connection.close()
            return None
        try:
            request = Request.receive(connection)
            if not self._can_run(request):
                request.close_streams()
                connection.close()
                return None
            connection.sendall(ACCEPTED)
        except (OSError, ValueError):  # gone, or no client of ours
            connection.close()
            return None
        pid = os.fork()
        if pid == 0:
            self._forget(connection)
            return request
        request.close_streams()
        process = os.pidfd_open(pid)
        self._children[process] = Child(pid, connection)
        self._selector.register(process, selectors.EVENT_READ)
        self._selector.register(connection, selectors.EVENT_READ)
        return None

    def _forget(self, connection: socket.socket) -> None:
        """In a child: what is the server's."""
        self._selector.close()
        self._listener.close()
        connection.close()
        os.close(self._owner)
        for process, child in self._children.items():
            os.close(process)
            child.connection.close()

    def _can_run(self, request: Request) -> bool:
        """Whether a child would do what the client's own process would do."""
        return (
            request.python == python()
            and _lasting(request.environment) == self._environment
            and self._sources == self._sources_now
            and self._import(next(iter(request.arguments), ""))
            and _threads() == 1
        )

    def _import(self, stage: str) -> bool:
        """Import a stage, once. False if there is no such one, or it cannot be: then its own process tells why."""
        if stage in self._imported:
            return True
        try:
            for module in (f"diffbench.stages.{stage}", *IMPORTED_LATER.get(stage, ())):
                importlib.import_module(module)
        except Exception:
            return False
        self._imported.add(stage)
        gc.collect()
        gc.freeze()  # children share the pages of what is imported
        return True

    @property
    def _sources_now(self) -> list[tuple[str, int, int]]:
        """What tells whether a file of this package was changed after it was imported."""
        files = sorted(self._package.rglob("*.py"))
        return [(str(path), (found := path.stat()).st_mtime_ns, found.st_size) for path in files]

    @cached_property
    def _package(self) -> Path:
        return Path(__file__).parent.parent


def _lasting(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by which imported libraries may differ."""
    changing = {*RUNTIME_VARIABLES, *THREAD_VARIABLES}
    return {name: value for name, value in environment.items() if name not in changing}


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))
