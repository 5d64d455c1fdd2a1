"""A call as the server and its children know it."""

import os
import socket
from pathlib import Path
from typing import NamedTuple, Self

from diffbench.forkserver.client import SIZE_BYTES, STREAMS


class Request(NamedTuple):
    """What a client has sent (`client.call`), text in the form of os.fsdecode, and its standard streams."""

    python: str
    directory: str
    umask: int
    arguments: list[str]
    environment: dict[str, str]
    streams: list[int]  # descriptors

    @classmethod
    def receive(cls, connection: socket.socket) -> Self:
        """OSError or ValueError if what comes is none."""
        header, streams, _, _ = socket.recv_fds(connection, SIZE_BYTES, len(STREAMS))
        message = _exactly(connection, int.from_bytes(header, "big"))
        python, directory, umask, count, *rest = map(os.fsdecode, message.split(b"\0"))
        arguments, pairs = rest[: int(count)], rest[int(count) :]
        return cls(python, directory, int(umask), arguments, dict(pair.split("=", 1) for pair in pairs), streams)

    def close_streams(self) -> None:
        """Close the streams, which a child has."""
        for stream in self.streams:
            os.close(stream)


def environment_at_start() -> dict[str, str]:
    """The environment that this process was started with: libraries add to it when they are imported. Linux only."""
    pairs = Path("/proc/self/environ").read_bytes().split(b"\0")
    return dict(os.fsdecode(pair).split("=", 1) for pair in pairs if b"=" in pair)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = connection.recv(min(size, 1 << 16))
        if not part:
            raise ConnectionError("the client has gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
