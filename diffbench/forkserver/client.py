"""The client: hands a call to the server of this run and waits for its end. It is started for every job."""

import os
import signal
import socket
import sys

from diffbench.forkserver.request import ADDRESS, Request

ACCEPTED = b"y"
STATUS_SIZE = 4


def run_in_server(arguments: list[str]) -> int | None:
    """Have the server run a call. Its exit status, negative the signal that ended it; None if no server takes it.

    When this process ends, so does the call.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
            Request.of_this_process(arguments).send(connection)
            if connection.recv(1) != ACCEPTED:
                return None
        except OSError:  # none is there any more, and nothing was begun
            return None
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the traceback is the call's own to print
        return _status(connection)


def end_with(status: int) -> None:
    """End this process as the call ended."""
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def _status(connection: socket.socket) -> int:
    try:
        answer = connection.recv(STATUS_SIZE, socket.MSG_WAITALL)
    except OSError:
        answer = b""
    if len(answer) < STATUS_SIZE:
        print("diffbench: error: the process that runs the stages was ended; run again", file=sys.stderr)
        return 1
    return int.from_bytes(answer, "big", signed=True)
