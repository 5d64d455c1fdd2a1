rule consistency:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
        twin_conditions=twin(layout.CONDITIONS),
        samples=at(layout.SAMPLES),
        twin_samples=twin(layout.SAMPLES),
    output:
        ensure(at(layout.CONSISTENCY), non_empty=True),
    log:
        log_at(layout.CONSISTENCY),
    threads: 1
    resources:
        mem_mb=memory("consistency"),
        runtime=runtime("consistency"),
    params:
        spec=spec("consistency"),
    shell:
        "python -m diffbench consistency --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --twin-conditions {input.twin_conditions} --samples {input.samples} --twin-samples {input.twin_samples}"
        " --out {output} 2> {log}"
