"""Where a file comes from: the attributes that every stage writes beside its arrays."""

import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("diffbench", "numpy", "torch", "h5py", "scipy", "scikit-learn")


def attributes(factors: Mapping[str, object], settings: Mapping[str, object], device: str = "cpu") -> dict[str, object]:
    """Factors and settings of a stage, versions, commit, machine, device, wall seconds and peak memory so far."""
    return {
        "factors": factors,
        "settings": settings,
        "versions": versions(),
        "git_commit": git_commit(),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "device": device,
        "wall_seconds": wall_seconds(),
        "peak_memory_mb": peak_memory_mb(),
    }


def know_this_installation() -> None:
    """Find out, once for this process and its forks, what else is asked for every file."""
    versions()
    git_commit()


@lru_cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}


@lru_cache
def git_commit() -> str:
    """Commit of the source tree, or "unknown" where the package is not in one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # fixed words  # nosec B603
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def wall_seconds() -> float:
    """Seconds since this process was started."""
    return time.time() - psutil.Process().create_time()


def cpu_seconds() -> float:
    """CPU seconds of this process, those of its threads and of processes that it waited for included."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def peak_memory_mb() -> float:
    """Highest resident memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
