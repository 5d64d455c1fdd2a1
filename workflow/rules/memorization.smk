rule memorization:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
        features=at(layout.FEATURES),
        samples=at(layout.SAMPLES),
        pixels=decoded(layout.PIXELS),
        decoded=decoded(layout.DECODED),
    output:
        ensure(at(layout.MEMORIZATION), non_empty=True),
    log:
        log_at(layout.MEMORIZATION),
    threads: 1
    resources:
        mem_mb=memory("memorization"),
        runtime=runtime("memorization"),
    params:
        spec=spec("memorization"),
    shell:
        "python -m diffbench memorization --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --features {input.features} --samples {input.samples} --pixels {input.pixels} --decoded {input.decoded}"
        " --out {output} 2> {log}"
