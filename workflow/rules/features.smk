# The space in which the quality of samples is measured; the content of an encoder's file is told by the spec.
rule features:
    input:
        data=at(layout.DATA),
        pixels=decoded(layout.PIXELS),
        encoder=ancient(STUDY.measures.quality.encoder or []),
    output:
        ensure(at(layout.FEATURES), non_empty=True),
    log:
        log_at(layout.FEATURES),
    threads: STUDY.threads
    resources:
        mem_mb=memory("features"),
        runtime=runtime("features"),
    params:
        spec=spec("features"),
    shell:
        "python -m diffbench features --spec {params.spec:q} --data {input.data} --pixels {input.pixels}"
        " --out {output} 2> {log}"
