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
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "git_commit": git_commit(),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "device": device,
        "wall_seconds": time.time() - psutil.Process().create_time(),
        "peak_memory_mb": peak_memory_mb(),
    }


@lru_cache
def git_commit() -> str:
    """Commit of the source tree, or "unknown" where the package is not in one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # fixed words  # nosec B603
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def peak_memory_mb() -> float:
    """Highest resident memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
