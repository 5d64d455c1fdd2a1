"""Before the first job is submitted: which go together, and whether the cluster can take them."""

import sys
from collections.abc import Collection
from typing import Any

from snakemake.settings.types import SharedFSUsage

from diffbench.cluster.batch import Batch
from diffbench.cluster.scheduling import let_in
from diffbench.cluster.slurm import ANY, Partition, allowed, partitions, refuse, sacct_answers
from diffbench.planning.batches import Job, batches, seconds
from diffbench.planning.memory import TORCH
from diffbench.planning.runtime import BATCH_MARGIN, Runtime
from diffbench.study.study import Study


class Submission:
    """The jobs of a run of Snakemake's on a cluster."""

    def __init__(self, workflow: Any, study: Study, runtime: Runtime) -> None:
        """`workflow`: Snakemake's, with its DAG complete and nothing begun."""
        self._workflow, self._study, self._runtime = workflow, study, runtime
        self._on_slurm = workflow.executor_plugin.name == "slurm"
        self._partitions = partitions() if self._on_slurm else {}
        work = [job for job in workflow.dag.needrun_jobs() if not job.is_local]  # `all` is none
        in_order = sorted(work, key=lambda job: str(job.output[0]))  # so that alike runs share a batch
        self._jobs = {str(workflow.dag.jobid(job)): job for job in in_order}

    def prepare(self) -> dict[str, Partition]:
        """Put short jobs into batches. Returns what each rule's jobs may ask for at most, so that a retry does not.

        DiffbenchError if a job asks for more, which would wait for ever.
        """
        found = self._batches()
        for job in self._jobs.values():
            self._refuse_what_waits_for_ever(job)
        if found:
            let_in(self._workflow, found)
            submissions = len(found) + sum(job.group is None for job in self._jobs.values())
            print(f"{len(self._jobs)} jobs in {submissions} submission{'s' * (submissions > 1)}", file=sys.stderr)
        return {job.rule.name: self._partition(job) for job in self._jobs.values()}

    def ask_whom_there_is(self) -> None:
        """Have the plugin ask `squeue` where `sacct`, which it takes if the command is there, keeps no account."""
        settings = self._workflow.executor_settings
        if self._on_slurm and settings.status_command == "sacct" and not sacct_answers():
            settings.status_command = "squeue"

    def _batches(self) -> dict[str, Batch]:
        shared = self._workflow.storage_settings.shared_fs_usage
        if not self._study.batch_minutes or SharedFSUsage.INPUT_OUTPUT not in shared:
            return {}
        names = {job: name for name, job in self._jobs.items()}
        planned = [self._planned(name, job, names) for name, job in self._jobs.items()]
        places = [self._partition(job) for job in self._jobs.values()]
        most = Partition(
            "", min((each.minutes for each in places), default=0), min((each.mb for each in places), default=0)
        )
        found = batches(planned, 60 * self._study.batch_minutes, self._runtime.fitting(most.minutes))
        return {f"batch{number}": self._batch(f"batch{number}", jobs, most) for number, jobs in enumerate(found, 1)}

    def _planned(self, name: str, job: Any, names: dict[Any, str]) -> Job:
        dependencies = self._workflow.dag.dependencies[job]
        waits_for = tuple(names[each] for each in dependencies if each in names)
        factors = job.wildcards_dict
        cell = "/".join(factors.values()) if "guidance" in factors else ""
        return Job(name, job.rule.name, self._seconds(job), waits_for, cell)

    def _seconds(self, job: Any) -> float:
        """Seconds of a job's work by plan, or by the minutes that someone has set by hand."""
        by_hand = self._workflow.resource_settings.overwrite_resources.get(job.rule.name, {})
        if "runtime" in by_hand:
            return 60 * job.resources.runtime / BATCH_MARGIN
        return self._runtime.seconds(job.rule.name, job.wildcards_dict)

    def _batch(self, name: str, jobs: Collection[Job], most: Partition) -> Batch:
        return Batch(
            name, [self._jobs[job.name] for job in jobs], self._runtime.minutes_of_batch(seconds(jobs)), TORCH, most
        )

    def _refuse_what_waits_for_ever(self, job: Any) -> None:
        asked, name = job.resources, f"{job.rule.name} {next(iter(job.output), '')}"
        refuse(name, job.rule.name, asked.runtime, asked.mem_mb, self._partition(job))

    def _partition(self, job: Any) -> Partition:
        """The partition that a job goes to; the plugin may choose one itself, by a file of the site's."""
        asked = job.resources.get("slurm_partition")
        chosen_later = self._on_slurm and self._workflow.executor_settings.partition_config and not asked
        return ANY if chosen_later else allowed(self._partitions, asked)
