rule data:
    input:
        nothing_stale,
        ancient(list(STUDY.data.files_given.values())),  # their content is told by the spec
    output:
        ensure(at(layout.DATA), non_empty=True),
    log:
        log_at(layout.DATA),
    threads: 1
    resources:
        mem_mb=memory("data"),
        runtime=runtime("data"),
    params:
        spec=spec("data"),
    shell:
        "python -m diffbench data --spec {params.spec:q} --out {output} 2> {log}"


rule conditions:
    input:
        data=at(layout.DATA),
    output:
        ensure(at(layout.CONDITIONS), non_empty=True),
    log:
        log_at(layout.CONDITIONS),
    threads: 1
    resources:
        mem_mb=memory("conditions"),
        runtime=runtime("conditions"),
    params:
        spec=spec("conditions"),
    shell:
        "python -m diffbench conditions --spec {params.spec:q} --data {input.data} --out {output} 2> {log}"
