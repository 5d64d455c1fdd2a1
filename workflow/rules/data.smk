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


# What latents are decoded to, once for all stages that look at pictures.
rule pixels:
    input:
        data=at(layout.DATA),
        weights=DECODER_WEIGHTS,
    output:
        ensure(at(layout.PIXELS), non_empty=True),
    log:
        log_at(layout.PIXELS),
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        gpu=GPUS,
        mem_mb=memory("pixels"),
        runtime=runtime("pixels"),
    params:
        spec=spec("pixels"),
    shell:
        "python -m diffbench pixels --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --out {output} 2> {log}"


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
