"""What a run shows: Snakemake's records, made up, and what becomes of them with and without a terminal."""

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from diffbench.study import layout
from diffbench.summary.planned import Planned
from snakemake_logger_plugin_diffbench import run as runs
from snakemake_logger_plugin_diffbench import screens
from snakemake_logger_plugin_diffbench.narrator import Narrator
from snakemake_logger_plugin_diffbench.run import Run
from snakemake_logger_plugin_diffbench.screens import Bars, Lines, screen_for

COUNTS = {"train": 20, "all": 1, "data": 1, "total": 22}
FACTORS = {"model": "m", "train_size": 8, "granularity": "classes", "seed": 1, "step": 20}
OUTPUT = f"results/s/{layout.CHECKPOINT.of(FACTORS)}"
ENDED = "Complete log(s): /somewhere/snakemake.log"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told to go on."""
    now = [1000.0]
    for module in (runs, screens):
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(runs.os, "cpu_count", lambda: 2)
    return now


def record(message: str | None = None, event: LogEvent | None = None, level: int = logging.INFO, **said: Any):
    made = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    made.__dict__.update(said if event is None else {"event": event, **said})
    return made


def begun() -> logging.LogRecord:
    return record("Job stats: ...", LogEvent.RUN_INFO, stats=COUNTS)


def started(job: int, rule: str = "train") -> logging.LogRecord:
    return record("", LogEvent.JOB_INFO, jobid=job, rule_name=rule, output=[OUTPUT], log=[f"{job}.log"])


def finished(job: int) -> logging.LogRecord:
    return record(f"Finished jobid: {job}", LogEvent.JOB_FINISHED, job_id=job)


def failed(job: int) -> logging.LogRecord:
    what = {"jobid": job, "rule_name": "train", "output": [OUTPUT], "log": [f"{job}.log"]}
    return record("Error in rule train", LogEvent.JOB_ERROR, logging.ERROR, **what)


def told(*records: logging.LogRecord, quiet: bool = False) -> list[str]:
    """Lines where there is no terminal, without the time of day."""
    stream = io.StringIO()
    narrator = Narrator(Lines(stream), quiet)
    for each in records:
        narrator.tell(each)
    narrator.end()
    return [line.partition(" ")[2] for line in stream.getvalue().splitlines()]


NOISE = [
    record("Assuming unrestricted shared filesystem usage."),
    record("host: somewhere"),
    record("Building DAG of jobs..."),
    record("Provided cores: 2", LogEvent.RESOURCES_INFO, cores=2),
    record("Select jobs to execute..."),
    record("Submitted job 4 with external jobid '22378'."),
    record("Job 3 has been submitted with SLURM jobid 17 (log: ...)."),
    record("Execute 2 jobs...", LogEvent.JOB_STARTED, jobs=[1, 2]),
    record("python -m diffbench train", LogEvent.SHELLCMD, shellcmd="python -m diffbench train"),
    record(None, LogEvent.PROGRESS, done=1, total=22),
]


def test_snakemake_finds_the_plugin():
    assert LoggerPluginRegistry().is_installed("diffbench")


def test_what_every_run_says_is_said_by_none():
    assert told(*NOISE) == []
    assert told(record("Nothing to be done")) == ["Nothing to be done"]


def test_a_tenth_of_the_jobs_is_a_line(clock):
    records = [*NOISE, begun(), started(0, "data"), finished(0)]
    for job in range(1, 21):
        records += [started(job), finished(job)]
    lines = told(*records, record(ENDED))
    assert lines[0] == "21 jobs: 1 data, 20 train"  # in the order of the stages; the target is no job
    assert lines[-2:] == ["21 jobs done in 0 s", "Full log: /somewhere/snakemake.log"]
    assert [line.split(" (")[0] for line in lines[1:-2]] == [
        f"{done} of 21 jobs done" for done in (3, 5, 7, 9, 11, 13, 15, 17, 19)
    ]
    assert lines[1].endswith("(train 2/20)")  # what is whole needs no word


def test_a_failed_job_is_told_at_once_with_the_last_line_of_its_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("7.log").write_text("50%\ndiffbench train: error: training diverged\n")
    exception = "RuleException:\nCalledProcessError in file train.smk, line 19:\nCommand 'python ...' returned"
    records = [begun(), started(7), record(exception, LogEvent.ERROR, logging.ERROR), failed(7)]
    records += [record("Exiting because a job execution failed. Look above", level=logging.ERROR), record(ENDED)]
    because = [f"failed: train {OUTPUT}", "  diffbench train: error: training diverged", "  log: 7.log"]
    end = "0 of 21 jobs done in 0 s; 1 failed, 20 were not run"
    assert told(*records)[1:] == [*because, end, "Full log: /somewhere/snakemake.log"]
    assert told(*records, quiet=True) == [*because, "1 of 21 jobs failed"]


def test_a_job_that_is_tried_again_has_failed_once_at_most(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts = record("Job stats: ...", LogEvent.RUN_INFO, stats={"train": 3, "total": 3})
    tries = [counts, *(each(job) for job in (1, 2) for each in (started, failed, started)), finished(1), failed(2)]
    assert told(*tries, record(ENDED))[-2] == "1 of 3 jobs done in 0 s; 1 failed, 1 was not run"
    assert told(*tries, started(2), finished(2), started(3), finished(3), record(ENDED))[-2] == "3 jobs done in 0 s"


def test_quiet_hides_neither_warnings_nor_errors():
    said = [record("Nothing to be done"), record("careful", level=logging.WARNING)]
    said += [record("MissingInputException: no such file", LogEvent.ERROR, logging.ERROR), record(ENDED)]
    assert told(begun(), *said, quiet=True) == ["careful", "MissingInputException: no such file"]


def test_jobs_that_are_stopped_on_request_have_not_failed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("7.log").write_text("KeyboardInterrupt\n")
    stop = record("Terminating processes on user request, this might take some time.")
    lines = told(begun(), started(7), stop, failed(7), record(ENDED))
    assert lines[1:3] == [
        "stopping on request; the same command goes on where this run ends",
        "0 of 21 jobs done in 0 s; 21 were not run",
    ]


def test_time_left_goes_by_what_jobs_took_where_nothing_was_planned(clock):
    run = Run({"train": 10, "report": 1}, cores=2)
    for job in (0, 1):
        run.started(job, "train", [])
    assert run.time_left() == ""
    clock[0] += 30
    for job in (0, 1):
        run.finished(job)
    assert run.time_left() == "at least 2 min left"  # 8 jobs of 30 s, two at a time


def test_time_left_goes_by_the_plan_that_the_run_has_made(clock, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Planned("s", "now", {"train": 10}, {"train": 1000.0}).write(Path("results/s", layout.PLAN))
    run = Run({"train": 10, "report": 1}, cores=2)
    run.started(0, "train", [OUTPUT])
    assert run.time_left() == "8 min left"
    clock[0] += 60
    assert run.time_left() == "12 min left"  # 940 s of work; 4 / 3 jobs at a time: one ran, of two that could have


def test_bars_show_counts_running_and_failed_jobs():
    stream = io.StringIO()
    screen = Bars(Console(file=stream, force_terminal=True, width=90, color_system=None))
    narrator = Narrator(screen, quiet=False)
    for each in (begun(), started(1), finished(1), started(2), started(3), failed(3)):
        narrator.tell(each)
    narrator.end()
    last = stream.getvalue().split("data ")[-1]
    data, train, everything = last.splitlines()[:3]
    assert " 0/1 " in data
    assert "train " in train
    assert " 1/20 1 running, 1 failed" in train
    assert "all jobs" in everything
    assert " 1/21 " in everything
    assert "failed: train" in stream.getvalue()


def test_only_a_terminal_that_can_draw_gets_bars(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(screen_for(Terminal(), False), Bars)
    assert isinstance(screen_for(io.StringIO(), False), Lines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(screen_for(Terminal(), False), Lines)
