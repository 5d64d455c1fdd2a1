"""Two runs of one study at once: the second is refused, and where nothing can refuse it, it does no harm."""

import errno
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Undisturbed
from tests.faults.study import NAME, begun, completed, run, wrong

pytestmark = pytest.mark.pipeline

REFUSED = f"diffbench: error: another run writes {NAME}; wait for it or stop it"


def test_a_second_run_is_refused_and_one_that_is_let_in_does_no_harm(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The lock is taken away from under the first run: so both hold one, as where locks do nothing."""
    folder = tmp_path / "run"
    with begun(folder) as first:
        while not (folder / NAME / "logs").exists():
            time.sleep(0.1)
        refused = run(folder)
        assert refused.returncode == 1
        assert [line for line in (refused.stdout + refused.stderr).splitlines() if "error" in line] == [REFUSED]
        assert first.poll() is None
        (folder / NAME / ".lock").unlink()
        with begun(folder) as second:
            first.wait()
            second.wait()
    assert "Traceback" not in (folder / "output").read_text()
    completed(folder)
    assert wrong(folder, undisturbed.folder) == []


LOCKING = (
    "import sys, time; from pathlib import Path; from diffbench.study.lock import LockedError, taken\n"
    "try: lock = taken(Path(sys.argv[1]))\n"
    "except LockedError as error: sys.exit(str(error))\n"
    "print('taken', flush=True); time.sleep(float(sys.argv[2]))"
)


@pytest.fixture(scope="module", params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def without_locks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that lets a process find no locks."""
    return compiled(tmp_path_factory.mktemp("shim"), request.param)


def compiled(folder: Path, error: int) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no compiler for the library that takes locks away: apt-get install gcc")
    source = Path(__file__).with_name("no_flock.c")
    subprocess.run([compiler, "-shared", "-fPIC", f"-DERROR={error}", "-o", folder / "no_flock.so", source], check=True)
    return folder / "no_flock.so"


def locking(results: Path, shim: Path, seconds: float) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", LOCKING, str(results), str(seconds)]
    return subprocess.Popen(words, env={"LD_PRELOAD": str(shim)}, stdout=-1, stderr=-1, text=True)


def test_where_the_file_system_has_no_locks_a_file_stands_for_one(without_locks: Path, tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()  # of a run where there were locks
    first = locking(tmp_path, without_locks, 60)
    assert first.stdout
    assert first.stdout.readline() == "taken\n"
    said = locking(tmp_path, without_locks, 0).communicate()[1]
    assert said == f"wait for it or stop it; if it was killed on another machine delete {tmp_path}/.lock-holder\n"
    first.kill()
    first.wait()
    assert locking(tmp_path, without_locks, 0).communicate()[0] == "taken\n"
    assert not (tmp_path / ".lock-holder").exists()
