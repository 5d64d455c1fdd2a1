# What a batch runs on a machine of a cluster: the study's own workflow, for the files that the run which submitted it
# names (diffbench/cluster/batch.py). That run holds the lock, and makes the report of what exists.
include: "Snakefile"


workflow.default_target = "batch"


rule batch:
    input:
        files_of_batch,


onstart:
    INTERRUPTION.watch(jobs_are_processes=True)
    lift_limit_of_starts()
    start_server()


onsuccess:
    pass


onerror:
    if INTERRUPTION.by:
        end_at_once()
