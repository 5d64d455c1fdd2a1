"""Jobs as forks of one server: the same results, streams and endings as jobs that are processes of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffbench.forkserver import client, start
from diffbench.forkserver.client import ADDRESS
from diffbench.forkserver.request import Request
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from tests.faults.study import command_of, has_ended
from tests.jobs import make
from tests.snakemake_runs import ROOT, TINY, command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the server runs on Linux alone")

FACTORS = {"model": "mlp-small", "train_size": 20, "granularity": "classes", "seed": 0, "step": 12, "guidance": "0"}


@pytest.fixture(scope="module")
def server() -> Iterator[psutil.Process]:
    """A server of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv(ADDRESS, raising=False)
        surroundings()
        start.start([])
        (running,) = start._servers
        yield psutil.Process(running.pid)
        os.environ.pop(ADDRESS)
        assert running.stdin
        running.stdin.close()
        assert running.wait(timeout=20) == 0
        start._servers.clear()


def surroundings() -> dict[str, str]:
    """The environment, without the name of the running test, by which each would be another."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    return dict(os.environ)


def ask(*arguments: str) -> int | None:
    """Ask the server from within this process."""
    surroundings()
    return client.run_in_server(list(arguments))


def run(*arguments: str, served: bool = True, **options) -> subprocess.CompletedProcess[str]:
    environment = surroundings()
    if not served:
        del environment[ADDRESS]
    command = [sys.executable, "-m", "diffbench", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, **options)


@contextmanager
def started(command: list[str], **options) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed at the end, also when the test fails: it would go on for long.

    It minds SIGINT, also where the tests run in the background of a shell, which ignore it.
    """
    minding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, text=True, preexec_fn=minding, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lineage, Path]:
    """Data and labels of a small study."""
    results = tmp_path_factory.mktemp("results")
    lineage = Lineage(parse_study(TINY, "tiny"))
    from diffbench.study import layout

    make(lineage, layout.CONDITIONS, FACTORS, results)
    return lineage, results


def training(inputs: tuple[Lineage, Path], out: Path, lineage: Lineage | None = None, step: int = 12) -> list[str]:
    own, results = inputs
    spec = (lineage or own).spec_json("train", FACTORS | {"step": step})
    data, conditions = results / "data.h5", results / "conditions/n20/classes.h5"
    return ["train", "--spec", spec, "--data", str(data), "--conditions", str(conditions), "--out", str(out)]


@pytest.fixture
def endless(inputs: tuple[Lineage, Path], tmp_path: Path, server: psutil.Process) -> Iterator[subprocess.Popen[str]]:
    """A client whose call would go on for long."""
    long = Lineage(parse_study(TINY | {"steps": [10**9]}, "long"))
    arguments = training(inputs, tmp_path / "checkpoint.pt", long, 10**9)
    log = (tmp_path / "log").open("w")
    command = [sys.executable, "-m", "diffbench", *arguments]
    with log, started(command, stderr=log, env=surroundings()) as process:
        wait_for((tmp_path / "log").read_text)  # it trains
        yield process


def test_a_served_job_leaves_the_same_bytes(inputs, tmp_path, server):
    for threads in ("1", "2"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", threads)
            spent = server.cpu_times().children_user
            done = [run(*training(inputs, tmp_path / str(served)), served=served) for served in (True, False)]
        assert server.cpu_times().children_user > spent, "it was not served"
        assert [each.returncode for each in done] == [0, 0], done
        assert (tmp_path / "True").read_bytes() == (tmp_path / "False").read_bytes()


def test_it_runs_where_its_client_stands_and_speaks_on_its_streams(tmp_path, server):
    spec = json.dumps({"name": "digits", "validation": 40})
    texts = []
    for served in (True, False):
        (tmp_path / str(served)).mkdir()
        done = run("data", "--spec", spec, "--out", "here/data.h5", served=served, cwd=tmp_path / str(served))
        assert done.returncode == 0
        assert (tmp_path / str(served) / "here/data.h5").exists()
        texts.append((done.stdout, done.stderr))
    assert texts[0] == texts[1]
    assert "".join(texts[0])


def test_mistakes_end_as_they_do_without_a_server(tmp_path, server):
    for arguments in (["data", "--spec", "{", "--out", "x.h5"], ["data", "--speck"], ["train", "--help"]):
        served, alone = (run(*arguments, served=served, cwd=tmp_path) for served in (True, False))
        assert (served.returncode, served.stdout, served.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_calls_are_children_of_the_server_and_only_then(endless, server):
    (child,) = server.children()
    assert child.pid != endless.pid
    assert psutil.Process(endless.pid).children() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_call_ends_with_its_client(endless, server, number, tmp_path):
    (child,) = server.children()
    endless.send_signal(number)
    assert endless.wait() == -number
    wait_for(lambda: has_ended(child))
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_client_ends_as_its_call_was_ended(endless, server):
    (child,) = server.children()
    child.kill()
    assert endless.wait() == -signal.SIGKILL


def test_the_server_and_its_calls_end_with_the_run(inputs, tmp_path):
    long = Lineage(parse_study(TINY | {"steps": [10**9]}, "long"))
    arguments = training(inputs, tmp_path / "checkpoint.pt", long, 10**9)
    script = (
        "import os, subprocess, sys; from diffbench.forkserver import start; start.start([]);"
        f"print(start._servers[0].pid, os.environ['{ADDRESS}'], flush=True);"
        f"subprocess.run([sys.executable, '-m', 'diffbench', *{arguments!r}])"
    )
    with (
        (tmp_path / "log").open("w") as log,
        started([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=log) as run_process,
    ):
        assert run_process.stdout
        pid, address = run_process.stdout.readline().split()
        server = psutil.Process(int(pid))
        wait_for((tmp_path / "log").read_text)  # it trains
        family = [server, *server.children(), *psutil.Process(run_process.pid).children()]
    wait_for(lambda: all(map(has_ended, family)))
    assert address not in Path("/proc/net/unix").read_text()


def test_a_server_that_is_killed_takes_its_calls_with_it(inputs, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(ADDRESS, raising=False)
        surroundings()
        start.start([])
        server = psutil.Process(start._servers.pop().pid)
        long = Lineage(parse_study(TINY | {"steps": [10**9]}, "long"))
        command = [sys.executable, "-m", "diffbench", *training(inputs, tmp_path / "c.pt", long, 10**9)]
        with (tmp_path / "log").open("w") as log, started(command, stderr=log, env=surroundings()) as process:
            wait_for((tmp_path / "log").read_text)  # it trains
            (child,) = server.children()
            server.kill()
            assert process.wait() == 1
        assert "the process that runs the stages was ended" in (tmp_path / "log").read_text()
        wait_for(lambda: has_ended(child))
        address = os.environ.pop(ADDRESS)
        assert run("data", "--help", served=True).returncode == 0
        os.environ[ADDRESS] = address
        assert ask("data", "--help") is None  # nothing listens: the call is the process's own


def test_a_call_whose_server_ended_before_it_began_does_not_begin():
    script = "from diffbench.forkserver.child import become; become(None, server=-1); print('it began')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_no_other_user_can_ask_the_server(server):
    """The socket is no file with rights: each end asks who the other is."""
    script = (
        "import os, socket; from diffbench.forkserver import client; os.setuid(65534);"
        "s = socket.socket(socket.AF_UNIX); s.connect('\\0' + os.environ['DIFFBENCH_SERVER']);"
        "print(client.same_user(s));"
        "client.same_user = lambda connection: True; print(client.run_in_server(['data', '--help']), s.recv(1))"
    )
    other = subprocess.run([sys.executable, "-c", script], env=surroundings(), capture_output=True, text=True)
    assert (other.stdout, other.stderr) == ("False\nNone b''\n", "")
    assert ask("data", "--help") == 0


def test_the_server_has_one_thread_whatever_it_has_imported_and_served(inputs, tmp_path, server):
    assert run(*training(inputs, tmp_path / "x.pt")).returncode == 0
    assert server.num_threads() == 1


def test_only_what_would_do_the_same_is_served(server, monkeypatch, capfd):
    asked = ["data", "--help"]
    assert ask(*asked) == 0
    assert "usage: diffbench data" in capfd.readouterr().out
    assert ask("plan", "--help") is None  # no stage
    monkeypatch.setenv("TMPDIR", "/somewhere")
    assert ask(*asked) == 0
    monkeypatch.setenv("LD_PRELOAD", "")
    assert ask(*asked) is None
    monkeypatch.delenv("LD_PRELOAD")
    assert ask(*asked) == 0
    monkeypatch.setattr(client, "python", lambda: "another Python")
    assert ask(*asked) is None


def test_sources_that_changed_since_are_not_served(tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    subprocess.run(["cp", "-r", ROOT / "diffbench", copy], check=True)
    script = (
        "import pathlib; from diffbench.forkserver import client, start; start.start([]);"
        "print(client.run_in_server(['data', '--help']));"
        "file = pathlib.Path(start.__file__).with_name('client.py'); file.write_text(file.read_text() + '\\n');"
        "print(client.run_in_server(['data', '--help']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=copy, timeout=60)
    assert [line for line in done.stdout.splitlines() if line in ("0", "None")] == ["0", "None"], done.stderr


def test_importing_the_stages_neither_starts_threads_nor_touches_a_gpu():
    script = (
        "import importlib, os, torch; from diffbench.cli import STAGES;"
        "[importlib.import_module(f'diffbench.stages.{stage}') for stage in STAGES];"
        "assert not torch.cuda.is_initialized(); print(len(os.listdir('/proc/self/task')))"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "1\n"


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(arguments=st.lists(TEXT), values=st.lists(TEXT))
def test_a_request_arrives_as_it_was_sent(arguments, values):
    environment = {f"V{index}": value for index, value in enumerate(values)}
    near, far = socket.socketpair()
    with near, far, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", environment)
        client._send(near, client.call(arguments))  # pyright: ignore[reportArgumentType] (of its base class)
        request = Request.receive(far)
    request.close_streams()
    assert request.arguments == arguments
    assert request.environment == environment
    assert request.directory == os.getcwd()
    assert len(request.streams) == 3


@pytest.mark.pipeline
def test_a_run_has_its_jobs_forked_and_leaves_none_when_it_is_killed(tmp_path):
    study = TINY | {"steps": [10**9]}
    log = (tmp_path / "log").open("w")
    with log, started(command(tmp_path, study, "--cores", "1"), stdout=log, stderr=log) as process:
        training_log = tmp_path / "results/tiny/logs/train/mlp-small/n20/classes/seed0/step1000000000.log"
        wait_for(lambda: training_log.exists() and training_log.read_text())  # it trains
        children = psutil.Process(process.pid).children()
        (server,) = [each for each in children if "diffbench.forkserver" in command_of(each)]
        (job,) = server.children()
    wait_for(lambda: has_ended(server) and has_ended(job))
