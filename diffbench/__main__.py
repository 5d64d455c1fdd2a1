"""Entry point of `python -m diffbench`: imports nothing else where the server of the run takes the call."""

import sys

from diffbench.forkserver.client import end_with, run_in_server

if __name__ == "__main__":
    status = run_in_server(sys.argv[1:])
    if status is None:
        from diffbench.cli import main

        status = main()
    end_with(status)
