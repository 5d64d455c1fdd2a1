"""A batch of jobs, as Snakemake and its executors know it: a group job that runs the study's own workflow on a machine.

Snakemake's own group jobs ask for what all of their jobs take side by side, begin anew after a failure, and lose all of
their results by it.
"""

import json
import shlex
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from snakemake.common.tbdstring import TBDString
from snakemake.io import is_flagged
from snakemake.iocontainers import ResourceList
from snakemake.jobs import GroupJob
from snakemake.jobs import Job as SnakemakeJob
from snakemake.logging import logger
from snakemake_interface_executor_plugins.utils import format_cli_arg
from snakemake_interface_logger_plugins.common import LogEvent

from diffbench import bundled
from diffbench.cluster.slurm import Partition

VARIABLE = "DIFFBENCH_BATCH"
"""Environment variable that tells workflow/batch.smk where the files are named that it shall make."""
RULES = "batch.smk"
"""Snakefile of a batch, beside the study's own."""
TOLD = 3
"""Jobs that an error names where none says itself why it failed."""


class Batch(GroupJob):
    """Jobs that share a submission, in any order that their files allow, as many at a time as its threads allow."""

    def __init__(self, name: str, jobs: Iterable[SnakemakeJob], minutes: int, mb: int, most: Partition) -> None:
        """minutes: asked for at the first attempt. mb: beside what its jobs ask for. most: what there is at most."""
        jobs = frozenset(jobs)
        super().__init__(name, jobs, next(iter(jobs)).dag.workflow.global_resources)
        self._minutes, self._mb, self._most = minutes, mb, most
        self._before = {file: _state(file) for job in self.jobs for file in _kept(job)}
        self.finalize()

    def __eq__(self, other: object) -> bool:
        """Snakemake's groups compare all their jobs, and it asks for each job anew."""
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def resources(self) -> ResourceList:
        """What the batch asks for: the most that any of its jobs does; words are those of a job with a GPU."""
        if self._resources is None:
            asked: dict[str, Any] = {}
            for each in sorted((job.resources for job in self.jobs), key=lambda of_job: of_job.get("gpu", 0)):
                for name, value in each.items():
                    if isinstance(value, int):
                        asked[name] = max(value, asked.get(name, value))
                    elif not isinstance(value, TBDString):
                        asked[name] = value
            mb = asked["mem_mb"] + self._mb * 2 ** (self.attempt - 1)
            asked["mem_mb"] = int(min(mb, max(asked["mem_mb"], self._most.mb)))
            asked["runtime"] = int(min(self._minutes * 2 ** (self.attempt - 1), max(self._minutes, self._most.minutes)))
            self._resources = asked
        return ResourceList(fromdict=self._resources)

    def command(self, folder: Path) -> str:
        """The command that a machine runs; what it shall make is written into a folder that it sees."""
        workflow = self.dag.workflow
        list_of_files = folder / f"{self.groupid}.json"
        files = sorted(file for job in self.jobs for file in _kept(job))
        forced = [file for job in self.left if self.dag.reason(job).forced for file in _kept(job)]
        list_of_files.write_text(json.dumps({"files": files, "forced": forced}))
        arguments = workflow.spawned_job_args_factory
        as_given = arguments.workflow_property_to_arg
        words = [
            f"cd {shlex.quote(workflow.workdir_init)} && {VARIABLE}={shlex.quote(str(list_of_files))}",
            f"{shlex.quote(sys.executable)} -m snakemake",
            format_cli_arg("--snakefile", bundled.snakefile().with_name(RULES)),
            as_given("overwrite_workdir", flag="--directory"),
            arguments.get_configfiles_arg(),
            as_given("config_settings.config_args", flag="--config"),
            *arguments.get_set_resources_args(),
            as_given("rerun_triggers"),
            as_given("execution_settings.latency_wait"),
            format_cli_arg("--attempt", self.attempt),
            format_cli_arg("--cores", self.threads),
            format_cli_arg("--resources", [f"mem_mb={self.resources.get('mem_mb')}"]),
            "--profile none --workflow-profile none --nolock --keep-going --rerun-incomplete --scheduler greedy",
            "--logger diffbench",
        ]
        return " ".join(filter(None, words))

    def register(self, external_jobid: str | None = None) -> None:
        """Mark nothing as incomplete: the workflow on the machine does so, job by job."""

    async def postprocess(self, error: bool = False, **settings: Any) -> None:
        """After a failure all that was made stays, and the workflow on the machine has taken away the rest."""
        if not error:
            await super().postprocess(**settings)

    def log_info(self) -> None:
        """Tell which jobs are begun: after a failure those that are left."""
        for job in sorted(self.left, key=lambda each: each.rule.name):
            job.log_info(indent=True)

    def log_error(self, msg: str | None = None, aux_logs: list[str] | None = None, **words: Any) -> None:
        """Tell which jobs failed, rather than all that were in their company, and that the others are done."""
        left = self.left
        for job in self.jobs:
            if job not in left:
                identity = self.dag.jobid(job)
                told = {"event": LogEvent.JOB_FINISHED, "job_id": identity}
                logger.info(f"Finished jobid: {identity} (Rule: {job.rule.name})", extra=told)
        reached = [job for job in left if all(Path(file).exists() for file in job.input)]
        failed = [job for job in reached if any(_says(log) for log in job.log)]
        errors = [job.get_log_error_info(indent=True, **words) for job in failed or reached[:TOLD]]
        told = {"event": LogEvent.GROUP_ERROR, "groupid": self.groupid, "job_error_info": errors}
        logs = {"aux_logs": [] if failed else aux_logs or []}  # of the batch, which tell why it ended before its jobs
        logger.error(f"Error in {self.groupid}: {msg or ''}", extra=told | logs | words)

    @property
    def left(self) -> list[SnakemakeJob]:
        """Jobs of which a file is missing, or as it was before the batch was first submitted; in the order of files."""
        return [job for job in self if any(_state(file) in (None, self._before[file]) for file in _kept(job))]

    def leave_out(self, jobs: Collection[SnakemakeJob]) -> None:
        """Be a batch of the others."""
        self.jobs = frozenset(self.jobs).difference(jobs)
        self._toposorted = self._input = self._output = self._log = self._all_products = None
        self.finalize()


def _kept(job: SnakemakeJob) -> list[str]:
    """Files that a job leaves."""
    return [str(file) for file in job.output if not is_flagged(file, "temp")]


def _state(file: str) -> tuple[int, int] | None:
    """What differs when a file was made anew; None if there is none."""
    try:
        found = Path(file).stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


def _says(log: str) -> bool:
    """Whether a log holds more than nothing."""
    try:
        return Path(log).stat().st_size > 0
    except FileNotFoundError:
        return False
