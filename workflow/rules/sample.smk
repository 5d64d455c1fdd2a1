rule sample:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
        checkpoint=MEASURED_CHECKPOINT,
        weights=EXTERNAL_WEIGHTS,
        guide=GUIDE,
        guide_weights=GUIDE_WEIGHTS,
    output:
        samples=ensure(at(layout.SAMPLES), non_empty=True),
        trajectories=temp(at(layout.TRAJECTORIES)),
    log:
        log_at(layout.SAMPLES),
    wildcard_constraints:
        model=DENOISING,
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        gpu=GPUS,
        mem_mb=memory("sample"),
        runtime=runtime("sample"),
    params:
        spec=spec("sample"),
    shell:
        "python -m diffbench sample --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --out {output.samples} --trajectories {output.trajectories}"
        " --checkpoint {input.checkpoint} --guide {input.guide} 2> {log}"


rule decode:
    input:
        data=at(layout.DATA),
        pixels=at(layout.PIXELS),
        samples=at(layout.SAMPLES),
        weights=DECODER_WEIGHTS,
    output:
        ensure(at(layout.DECODED), non_empty=True),
    log:
        log_at(layout.DECODED),
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        gpu=GPUS,
        mem_mb=memory("decode"),
        runtime=runtime("decode"),
    params:
        spec=spec("decode"),
    shell:
        "python -m diffbench decode --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --pixels {input.pixels} --samples {input.samples} --out {output} 2> {log}"


# Controls without a denoiser: known shares of copied training images in the place of samples.
rule plant:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
    output:
        ensure(at(layout.SAMPLES), non_empty=True),
    log:
        log_at(layout.SAMPLES, "plant"),
    wildcard_constraints:
        model=PLANTED,
    threads: 1
    resources:
        mem_mb=memory("plant"),
        runtime=runtime("plant"),
    params:
        spec=spec("plant"),
    shell:
        "python -m diffbench plant --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --out {output} 2> {log}"
