"""How Snakemake's DAG and scheduler come to know batches, and what they do once a job has failed for good.

By names that Snakemake keeps for itself, which all its versions from the oldest that is allowed to 9.27 have.
"""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diffbench.cluster.batch import Batch
from diffbench.conventions import DiffbenchError

OF_DAGS = ("_group", "_ready_jobs", "_running", "depending", "finish", "needrun", "update_ready")
OF_EXECUTORS = ("format_job_exec", "get_job_exec_prefix", "get_job_exec_suffix", "handle_job_error", "tmpdir")


def let_in(workflow: Any, batches: Mapping[str, Batch]) -> None:
    """Let a workflow of Snakemake's, its DAG complete and not begun, run batches, by their names.

    DiffbenchError if this Snakemake lacks what it takes.
    """
    dag, executor = workflow.dag, getattr(workflow.scheduler, "_executor", None)
    missing = [name for name in OF_DAGS if not hasattr(dag, name)]
    missing += [name for name in OF_EXECUTORS if not hasattr(executor, name)]
    if missing:
        raise DiffbenchError(
            f"jobs cannot share a submission with Snakemake {version('snakemake')}, which has no {', '.join(missing)}:"
            " give each its own (--config batch_minutes=0), or install an earlier Snakemake"
        )
    _submit_with(executor)
    _put_in(dag, batches)


def _submit_with(executor: Any) -> None:
    """Let an executor run the command of a batch where it gets one, and tell the DAG what failed for good."""
    of_others = executor.format_job_exec

    def format_job_exec(job: Any) -> str:
        if not isinstance(job, Batch):
            return of_others(job)
        words = [
            executor.get_job_exec_prefix(job),
            executor.workflow.spawned_job_args_factory.precommand(executor.common_settings),
            job.command(Path(executor.tmpdir)),
            executor.get_job_exec_suffix(job),  # by which some executors learn that it has ended
        ]
        return " && ".join(filter(None, words))

    handle_error = executor.handle_job_error

    def handle_job_error(job: Any) -> None:
        handle_error(job)
        if job.attempt > job.restart_times:  # it is not tried again
            executor.workflow.async_run(_go_on_without(executor.workflow.dag, job))

    executor.format_job_exec = format_job_exec
    executor.handle_job_error = handle_job_error


def _put_in(dag: Any, batches: Mapping[str, Batch]) -> None:
    """Let a DAG of Snakemake's, complete and not begun, know its batches, by their names."""
    for name, batch in batches.items():
        for job in batch.jobs:
            job.group = name
            dag._group[job] = batch
    dag._ready_jobs.clear()
    dag.update_ready()


async def _go_on_without(dag: Any, failed: Any) -> None:
    """Hold back nothing but what waits for what failed.

    Not what waits for others of its batch, nor what would share a batch with jobs that wait for it.
    """
    lost = set(failed.left if isinstance(failed, Batch) else [failed])
    to_see = list(lost)
    while to_see:
        more = {job for job in dag.depending[to_see.pop()] if dag.needrun(job)} - lost
        lost |= more
        to_see += more
    dag._running.update(lost)  # as Snakemake leaves what failed: it begins none of these
    smaller = [batch for batch in {dag._group[job] for job in lost if job in dag._group} if not lost.issuperset(batch)]
    for batch in smaller:
        batch.leave_out(lost)
    if failed in smaller:
        await dag.finish(failed)
    dag.update_ready(job for batch in smaller for job in batch)
