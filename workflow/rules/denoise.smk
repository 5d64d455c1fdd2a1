rule denoise:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
        optimum=at(layout.OPTIMUM),
        checkpoint=MEASURED_CHECKPOINT,
        weights=EXTERNAL_WEIGHTS,
    output:
        ensure(at(layout.DENOISE), non_empty=True),
    log:
        log_at(layout.DENOISE),
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        gpu=GPUS,
        mem_mb=memory("denoise"),
        runtime=runtime("denoise"),
    params:
        spec=spec("denoise"),
    shell:
        "python -m diffbench denoise --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --optimum {input.optimum} --out {output}"
        " --checkpoint {input.checkpoint} 2> {log}"


# The closed-form optimum of a training subset, on the same noise: what all checkpoints trained on it are held against.
rule optimum:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
    output:
        ensure(at(layout.OPTIMUM), non_empty=True),
    log:
        log_at(layout.OPTIMUM),
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        gpu=GPUS,
        mem_mb=memory("optimum"),
        runtime=runtime("optimum"),
    params:
        spec=spec("optimum"),
    shell:
        "python -m diffbench optimum --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --out {output} 2> {log}"
