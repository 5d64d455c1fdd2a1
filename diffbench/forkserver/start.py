"""Starting the server of a run."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from diffbench.files.surroundings import THREAD_VARIABLES
from diffbench.forkserver.client import ADDRESS

LONGEST_ADDRESS = 107
"""Bytes of the path of a Unix socket, at most (unix(7))."""
WAITING = 512
"""Clients that may wait."""

_servers: list["subprocess.Popen[bytes]"] = []
"""Kept, and with them the pipes that the servers see closed when this process ends, however it ends."""


def start(stages: Iterable[str]) -> None:
    """Start a server that lives as long as this process, and name it in the environment of the jobs to come.

    stages: those to come. Only on Linux: elsewhere libraries do not outlive a fork, and jobs run by themselves. OSError
    if there is no room for a socket.
    """
    if sys.platform != "linux":
        return
    address = _address()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(WAITING)
        os.environ[ADDRESS] = str(address)
        command = [sys.executable, "-m", "diffbench.forkserver", str(listener.fileno()), str(address), *stages]
        server = subprocess.Popen(  # fixed words and names of stages  # nosec B603
            command,
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, "1"),
            start_new_session=True,
        )
    _servers.append(server)


def _address() -> Path:
    """The path of a socket in a folder of its own, which no other user may enter."""
    address = Path(tempfile.mkdtemp(prefix="diffbench-"), "socket")
    if len(os.fsencode(address)) <= LONGEST_ADDRESS:
        return address
    address.parent.rmdir()
    return Path(tempfile.mkdtemp(prefix="diffbench-", dir="/tmp"), "socket")  # 0700 by mkdtemp  # nosec B108
