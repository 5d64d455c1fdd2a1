"""A child of the server becomes the process that its client stands for."""

import ctypes
import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import NoReturn, TextIO

from threadpoolctl import threadpool_limits

from diffbench.forkserver.client import STREAMS
from diffbench.forkserver.request import Request, environment_at_start

PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent ends."""


UNFLUSHED = 120
"""The exit status of a Python that cannot write what it printed."""


def become(request: Request, server: int) -> None:
    """Take over streams, working directory, environment and number of threads; end when the server, a process, ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it ended before
        os.kill(os.getpid(), signal.SIGKILL)
    for stream, own in zip(request.streams, STREAMS, strict=True):
        os.dup2(stream, own)
        os.close(stream)
    os.umask(request.umask)
    os.chdir(request.directory)
    _take_over(request.environment)
    tempfile.tempdir = None  # found anew, by the environment
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the run was started in the background
    _reopen_streams()
    _use_threads(int(request.environment.get("OMP_NUM_THREADS") or os.cpu_count() or 1))


def end_with_result_of(call: Callable[[], int]) -> NoReturn:
    """Run a call and end as a process of Python would, but for taking apart what the server has imported."""
    status = 1
    try:
        status = call()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    try:
        sys.stdout.flush()
    except OSError:  # a full disk, or a reader that has gone
        status = status or UNFLUSHED
    os._exit(status)


def _take_over(environment: dict[str, str]) -> None:
    """Set the client's environment, and what imported libraries have added to their own."""
    at_start = environment_at_start()
    added = {name: value for name, value in os.environ.items() if name not in at_start}
    os.environ.clear()
    os.environ.update(added | environment)


def _reopen_streams() -> None:
    """Python's streams, which know whether they are terminals since they were made."""
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), sys.stdin.encoding, sys.stdin.errors)
    sys.stdout = _output(1, sys.stdout, line_buffering=os.isatty(1))
    sys.stderr = _output(2, sys.stderr, line_buffering=True)


def _output(descriptor: int, like: TextIO, line_buffering: bool) -> TextIO:
    file = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
    return io.TextIOWrapper(file, like.encoding, like.errors, line_buffering=line_buffering)


def _use_threads(count: int) -> None:
    """Let libraries use as many threads as the environment says when they are loaded; the server loads them for one."""
    if count == 1:
        return
    threadpool_limits(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
