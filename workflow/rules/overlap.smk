rule overlap:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
        trajectories=at(layout.TRAJECTORIES),
    output:
        ensure(at(layout.OVERLAP), non_empty=True),
    log:
        log_at(layout.OVERLAP),
    threads: 1
    resources:
        mem_mb=memory("overlap"),
        runtime=runtime("overlap"),
    params:
        spec=spec("overlap"),
    shell:
        "python -m diffbench overlap --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --trajectories {input.trajectories} --out {output} 2> {log}"
