"""A small study that has every stage, runs of it in folders of their own, and the ends that they may be brought to."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.lab_studies import SMALL_LAB
from tests.same_results import differences
from tests.snakemake_runs import TINY, command

STUDY: dict[str, Any] = TINY | {
    "name": "plane",
    "data": {"name": "circle-random", "points": 200},
    "pairs": True,
    "models": {"copies": {"kind": "planted", "copies": 0.5}},
    "center": {"model": "mlp-small", "train_size": 32, "granularity": "none", "guidance": 0},
    "sweeps": [{"model": ["mlp-small", "copies"]}],
    "lab": SMALL_LAB,
}
NAME = f"results/{STUDY['name']}"
LONG = int(os.environ.get("FAULTS", "0"))
"""How many faults of a kind are tried; where it is not given, what fits into minutes."""
CORES = ("--cores", "2")


def surroundings(folder: Path) -> dict[str, str]:
    """An environment whose temporary files lie in `folder`."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    return os.environ | {"TMPDIR": str(folder / "tmp")}


def mind_signals() -> None:
    """Let what runs from here on end by them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def begun(folder: Path, *arguments: str, study: dict[str, Any] = STUDY) -> Iterator[subprocess.Popen[str]]:
    """A run that goes on; at the end what is left is killed. It minds signals that tests ignore, as under nohup."""
    environment = surroundings(folder)
    with (folder / "output").open("a") as output:
        process = subprocess.Popen(
            command(folder, study, *(arguments or CORES)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            env=environment,
            preexec_fn=mind_signals,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            kill(stopped_at_once(process.pid))
        process.wait()


def run(folder: Path, *arguments: str, study: dict[str, Any] = STUDY) -> subprocess.CompletedProcess[str]:
    """A run to its end."""
    line = command(folder, study, *(arguments or CORES))
    return subprocess.run(line, env=surroundings(folder), capture_output=True, text=True, timeout=600)


def completed(folder: Path, *arguments: str, study: dict[str, Any] = STUDY) -> Path:
    """Results of a run that ends well."""
    done = run(folder, *arguments, study=study)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results" / study["name"]


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it; none if it has gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def spent(pid: int) -> float:
    """CPU seconds that a process and its descendants have taken: how far a run is, however busy the machine."""
    return sum(map(_spent, family(pid)))


def _spent(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # counted by its parent from now on
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


def stopped_at_once(pid: int) -> list[psutil.Process]:
    """Stop a process and its descendants, so that none starts others meanwhile. Returns all of them."""
    stopped: dict[int, psutil.Process] = {}
    while new := [each for each in family(pid) if each.pid not in stopped]:
        for each in new:
            signalled(each, signal.SIGSTOP)
            stopped[each.pid] = each
    return list(stopped.values())


def kill(processes: list[psutil.Process]) -> None:
    """End stopped processes at one instant, as a power cut would."""
    for each in processes:
        signalled(each, signal.SIGKILL)


def signalled(process: psutil.Process, number: int) -> None:
    """Send a signal, if the process is still there."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def command_of(process: psutil.Process) -> list[str]:
    """Its command line; of one that has gone none."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, though nobody may have waited for it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def still_running(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that have not ended after so many seconds."""
    deadline = time.monotonic() + seconds
    while (running := [each for each in processes if not has_ended(each)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return running


def left_over(folder: Path, undisturbed: Path) -> list[str]:
    """What lies beside a finished run, or in the folder of temporary files, that an undisturbed run does not leave."""
    expected = names_in(undisturbed)
    here = names_in(folder)
    return sorted(name for name in here ^ expected if not name.startswith(".snakemake/log/"))


def names_in(folder: Path) -> set[str]:
    """Files of a run: its results, what Snakemake keeps of it, and temporary ones."""
    parts = (folder / part for part in ("results", ".snakemake", "tmp"))
    return {path.relative_to(folder).as_posix() for part in parts for path in part.rglob("*") if not path.is_dir()}


def wrong(folder: Path, undisturbed: Path) -> list[str]:
    """In what the results of a finished run are not those of an undisturbed one, bit for bit; what else it left."""
    return differences(undisturbed / NAME, folder / NAME) + left_over(folder, undisturbed)
