"""Entry point of the server: `python -m diffbench.forkserver SOCKET_DESCRIPTOR STAGE ...`."""

import os
import socket
import sys

from diffbench.cli import main
from diffbench.files import provenance
from diffbench.forkserver.child import become, end_with_result_of
from diffbench.forkserver.server import Server


def run(listener: socket.socket, stages: list[str]) -> None:
    """Serve until the run that holds the other end of standard input has ended."""
    provenance.know_this_installation()  # once, for all children
    server, owner = os.getpid(), os.dup(0)
    request = Server(listener, owner, stages).serve()
    if request is None:
        return
    become(request, server)
    end_with_result_of(lambda: main(request.arguments))


if __name__ == "__main__":
    run(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
