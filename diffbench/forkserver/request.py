"""What a client hands to the server: the call of a stage, and all of its surroundings that a process inherits."""

import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple, Self

ADDRESS = "DIFFBENCH_SERVER"
"""Environment variable that holds the path of the server's socket."""

THREAD_VARIABLES = (
    *(f"{library}_NUM_THREADS" for library in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")),
    "VECLIB_MAXIMUM_THREADS",
)
"""Environment variables of numbers of threads: Snakemake sets them for each job."""

STREAMS = (0, 1, 2)
SIZE = 8
"""Bytes of a request's length, which come before it, together with the streams."""


class Request(NamedTuple):
    """A call of `python -m diffbench` as it stands in the client. Text in the form of os.fsdecode."""

    python: str  # the client's, without which libraries may be others
    directory: str
    umask: int
    arguments: list[str]
    environment: dict[str, str]

    @classmethod
    def of_this_process(cls, arguments: list[str]) -> Self:
        """The call that this process was made for."""
        umask = os.umask(0)
        os.umask(umask)
        return cls(python(), os.getcwd(), umask, arguments, dict(os.environ))

    def send(self, connection: socket.socket) -> None:
        """Send it, and the standard streams of this process."""
        pairs = [f"{name}={value}" for name, value in self.environment.items()]
        fields = [self.python, self.directory, str(self.umask), str(len(self.arguments)), *self.arguments, *pairs]
        message = b"\0".join(map(os.fsencode, fields))
        socket.send_fds(connection, [len(message).to_bytes(SIZE, "big")], STREAMS)
        connection.sendall(message)

    @classmethod
    def receive(cls, connection: socket.socket) -> tuple[Self, list[int]]:
        """A request and the descriptors of its streams. OSError or ValueError if what comes is none."""
        header, streams, _, _ = socket.recv_fds(connection, SIZE, len(STREAMS))
        message = _exactly(connection, int.from_bytes(header, "big"))
        python, directory, umask, count, *rest = map(os.fsdecode, message.split(b"\0"))
        arguments, pairs = rest[: int(count)], rest[int(count) :]
        environment = dict(pair.split("=", 1) for pair in pairs)
        return cls(python, directory, int(umask), arguments, environment), streams


def environment_at_start() -> dict[str, str]:
    """The environment that this process was started with: libraries add to it when they are imported. Linux only."""
    pairs = Path("/proc/self/environ").read_bytes().split(b"\0")
    return dict(os.fsdecode(pair).split("=", 1) for pair in pairs if b"=" in pair)


def python() -> str:
    """This Python, and where this package lies."""
    return f"{sys.executable} {sys.version} {__file__}"


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = connection.recv(min(size, 1 << 16))
        if not part:
            raise ConnectionError("the client has gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
