rule sample:
    input:
        data=DATA,
        conditions=CONDITIONS,
        checkpoint=MEASURED_CHECKPOINT,
        weights=EXTERNAL_WEIGHTS,
        guide=GUIDE,
        guide_weights=GUIDE_WEIGHTS,
    output:
        samples=ensure(f"{CELL}/samples.h5", non_empty=True),
        trajectories=temp(f"{CELL}/trajectories.h5"),
    log:
        f"{RESULTS}/logs/sample/{CELL_NAME}.log",
    benchmark:
        f"{CELL}/sample.benchmark.jsonl"
    wildcard_constraints:
        model=DENOISING,
    conda:
        "../envs/diffbench.yaml"
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        mem_mb=NETWORK_MEMORY,
        runtime=240,
    params:
        spec=spec("sample"),
    shell:
        "python -m diffbench sample --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --out {output.samples} --trajectories {output.trajectories}"
        " --checkpoint {input.checkpoint} --guide {input.guide} 2> {log}"


# Controls without a denoiser: known shares of copied training images in the place of samples.
rule plant:
    input:
        data=DATA,
        conditions=CONDITIONS,
    output:
        ensure(f"{CELL}/samples.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/plant/{CELL_NAME}.log",
    wildcard_constraints:
        model=PLANTED,
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=MEMORY,
        runtime=60,
    params:
        spec=spec("sample"),
    shell:
        "python -m diffbench plant --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --out {output} 2> {log}"
