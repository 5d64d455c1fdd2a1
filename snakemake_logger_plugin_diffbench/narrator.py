"""What is worth telling of Snakemake's records."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from diffbench.summary.reasons import last_line
from snakemake_logger_plugin_diffbench.run import Run
from snakemake_logger_plugin_diffbench.screens import Screen

NOISE = re.compile(
    "Assuming unrestricted shared|Building DAG|Using shell|host:|Select jobs|Execute |Group jobs|Conda environments"
    "|Singularity containers|Removing temporary|Cleanup |Would remove|Shutting down|Elapsed time|Trying to restart"
    "|Submitted |Job \\d+ has been submitted|RuleException:\nCalledProcessError"
    "|(WorkflowError:\n)?At least one job did not complete"
)
"""How messages begin that nobody misses: those of every run, and what is said better here."""

UNTOLD = (LogEvent.WORKFLOW_STARTED, LogEvent.RESOURCES_INFO, LogEvent.SHELLCMD, LogEvent.JOB_STARTED)
UNTOLD += (LogEvent.PROGRESS, LogEvent.GROUP_INFO, LogEvent.DEBUG_DAG, LogEvent.RULEGRAPH)
LOG, FAILED = "Complete log(s): ", "Exiting because a job execution failed"
INTERRUPTED = ("Terminating processes on user request", "Will exit after finishing currently running jobs (scheduler)")
"""What Snakemake says when a run has ended, when all has ended of one in which a job failed, and when it is told to."""


class Narrator:
    """Keeps count of a run and tells a screen of it; quiet: of failures, warnings and errors alone."""

    def __init__(self, screen: Screen, quiet: bool) -> None:
        self._screen, self._quiet = screen, quiet
        self._folder = Path.cwd()  # of whoever reads: Snakemake may go elsewhere
        self._run: Run | None = None
        self._cores = 1
        self._interrupted = False

    def tell(self, record: logging.LogRecord) -> None:
        """Tell what a record says, if anyone wants to know."""
        event, said = getattr(record, "event", None), record.__dict__
        match event:
            case LogEvent.RUN_INFO:
                self._begin(said["stats"])
            case LogEvent.RESOURCES_INFO if isinstance(said.get("cores"), int):
                self._cores = said["cores"]
            case LogEvent.JOB_INFO if self._run:
                self._run.started(said["jobid"], said["rule_name"], [*said["log"], *said["output"]])
                self._screen.show(self._run)
            case LogEvent.JOB_FINISHED if self._run:
                self._run.finished(said["job_id"])
                self._screen.show(self._run)
                if self._run.done == self._run.total:
                    self._screen.stop()
            case LogEvent.JOB_ERROR:
                self._fail(said["jobid"], said["rule_name"], said["output"], said["log"])
            case LogEvent.GROUP_ERROR:
                for job in said["job_error_info"]:
                    self._fail(job["jobid"], job["rule_name"], job["output"], [*job["log"], *said["aux_logs"]])
            case _ if event not in UNTOLD:
                self._pass_on(record)

    def end(self) -> None:
        """Leave what is drawn as it is."""
        self._screen.stop()

    def _begin(self, counts: dict[str, int]) -> None:
        self._run = Run({name: count for name, count in counts.items() if name not in ("all", "total")}, self._cores)
        if not self._quiet:
            self._screen.start(self._run)

    def _fail(self, job: int, rule: str, output: Iterable[str], logs: Iterable[str]) -> None:
        if self._run:
            self._run.ended(job)
            self._run.failures |= {} if self._interrupted else {job: rule}
            self._screen.show(self._run)
        if self._interrupted:
            return
        self._screen.say(f"failed: {rule} {next(iter(output), '')}", "bold red")
        for log in map(Path, logs):
            self._screen.say(f"  {last_line(log) or 'its log is empty'}", "red")
            self._screen.say(f"  log: {self._place(log)}")

    def _pass_on(self, record: logging.LogRecord) -> None:
        message = str(record.msg or "").strip()
        if message.startswith(LOG):
            self._finish(message.removeprefix(LOG))
        elif message.startswith(FAILED):
            self._screen.stop()
        elif message.startswith(INTERRUPTED):
            self._interrupted = True
            self._screen.say("stopping on request; the same command goes on where this run ends", "yellow")
        elif message and not NOISE.match(message) and (record.levelno > logging.INFO or not self._quiet):
            self._screen.say(message, {logging.WARNING: "yellow", logging.ERROR: "red"}.get(record.levelno, ""))

    def _finish(self, log: str) -> None:
        self._screen.stop()
        if self._run is None:
            return
        failures = len(self._run.failures)
        if not self._quiet:
            style = "bold red" if failures else "yellow" if self._interrupted else "green"
            self._screen.say(self._run.result(), style)
            self._screen.say(f"Full log: {self._place(Path(log))}")
        elif failures:  # Snakemake is quiet then, in its log too: it does not tell which jobs were done
            self._screen.say(f"{failures} of {self._run.total} jobs failed", "bold red")

    def _place(self, path: Path) -> Path:
        """A path as whoever reads would type it."""
        absolute = path.absolute()
        return absolute.relative_to(self._folder) if absolute.is_relative_to(self._folder) else absolute
