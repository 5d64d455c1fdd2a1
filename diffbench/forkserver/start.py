"""Starting the server of a run."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterable

from diffbench.files.surroundings import THREAD_VARIABLES
from diffbench.forkserver.client import ADDRESS

WAITING = 512
"""Clients that may wait."""

_servers: list["subprocess.Popen[bytes]"] = []
"""Kept, and with them the pipes that the servers see closed when this process ends, however it ends."""


def start(stages: Iterable[str]) -> None:
    """Start a server that lives as long as this process, and name it in the environment of the jobs to come.

    stages: those to come. Only on Linux: elsewhere libraries do not outlive a fork, and jobs run by themselves. Its
    socket is no file, which a killed run would leave. OSError if it cannot be started.
    """
    if sys.platform != "linux":
        return
    name = f"diffbench-{secrets.token_hex(16)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen(WAITING)
        os.environ[ADDRESS] = name
        command = [sys.executable, "-m", "diffbench.forkserver", str(listener.fileno()), *stages]
        server = subprocess.Popen(  # fixed words and names of stages  # nosec B603
            command,
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, "1"),
            start_new_session=True,
        )
    _servers.append(server)


def servers() -> set[int]:
    """The servers that this process has started."""
    return {server.pid for server in _servers}
