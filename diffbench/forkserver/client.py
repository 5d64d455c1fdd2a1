"""The client: hands a call to the server of this run and waits for its end.

A process of it is started for every job. So it imports nothing that takes time: no pathlib, no typing, and of sockets
what they are made of, which starts in a fifth of the time.
"""

import _socket
import os
import sys
from array import array

ADDRESS = "DIFFBENCH_SERVER"
"""Environment variable that holds the name of the server's socket, one of Linux that is no file."""

STREAMS = (0, 1, 2)
SIZE_BYTES, STATUS_BYTES = 8, 4
ACCEPTED = b"y"
INTERRUPTED = 2
"""SIGINT."""


def run_in_server(arguments: list[str]) -> int | None:
    """Have the server run a call. Its exit status, negative the signal that ended it; None if no server takes it.

    When this process ends, so does the call.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(f"\0{address}")
        if not same_user(connection):
            return None
        _send(connection, call(arguments))
        if connection.recv(1) != ACCEPTED:
            return None
    except OSError:  # there is none any more, and nothing was begun
        return None
    return _status(connection)


def end_with(status: int) -> None:
    """End this process as the call ended."""
    if status < 0:
        import signal

        if -status != signal.SIGKILL:  # which nothing can be made of
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def call(arguments: list[str]) -> bytes:
    """The call of `python -m diffbench` that this process was made for, and what else a process inherits."""
    umask = os.umask(0)
    os.umask(umask)
    pairs = [f"{name}={value}" for name, value in os.environ.items()]
    fields = [python(), os.getcwd(), str(umask), str(len(arguments)), *arguments, *pairs]
    return b"\0".join(map(os.fsencode, fields))


def python() -> str:
    """This Python, and where this package lies: with another one, libraries may be others."""
    return f"{sys.prefix} {sys.version} {__file__}"


def same_user(connection: _socket.socket) -> bool:
    """Whether the process at the other end is this user's: a name without a file may be taken by anyone."""
    process_user_group = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 3 * array("I").itemsize)
    return array("I", process_user_group)[1] == os.geteuid()


def _send(connection: _socket.socket, message: bytes) -> None:
    """A message after its length, together with the standard streams of this process."""
    streams = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array("i", STREAMS))
    connection.sendmsg([len(message).to_bytes(SIZE_BYTES, "big")], [streams])
    connection.sendall(message)


def _status(connection: _socket.socket) -> int:
    try:
        answer = connection.recv(STATUS_BYTES, _socket.MSG_WAITALL)
    except OSError:
        answer = b""
    except KeyboardInterrupt:  # the traceback is the call's own to print
        return -INTERRUPTED
    if len(answer) < STATUS_BYTES:
        print("diffbench: error: the process that runs the stages was ended; run again", file=sys.stderr)
        return 1
    return int.from_bytes(answer, "big", signed=True)
