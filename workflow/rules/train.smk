rule train:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
        start=milestone_before,
    output:
        ensure(at(layout.CHECKPOINT), non_empty=True),
    log:
        log_at(layout.CHECKPOINT),
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        mem_mb=NETWORK_MEMORY,
        runtime=1440,
    params:
        spec=spec("train"),
    shell:
        "python -m diffbench train --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --out {output} --start {input.start} 2> {log}"
