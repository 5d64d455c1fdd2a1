# The state of a run's training, which the jobs of its milestones share: no output of any, as no result needs it.
RUN_STATE = at(layout.RUN_STATE).replace("{", "{wildcards.")


rule train:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
        before=milestone_before,  # for order alone: training goes on from the state that it left
    output:
        ensure(at(layout.CHECKPOINT), non_empty=True),
    log:
        log_at(layout.CHECKPOINT),
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        gpu=GPUS,
        mem_mb=memory("train"),
        runtime=runtime("train"),
        attempt=lambda wildcards, attempt: attempt,
        last=last_milestone,  # no parameter: where a study goes on to changes no checkpoint
    params:
        spec=spec("train"),
    shell:
        "python -m diffbench train --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --out {output} --last {resources.last}"
        " --attempt {resources.attempt}"
        f" --state {RUN_STATE} 2> {{log}}"
