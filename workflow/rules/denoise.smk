rule denoise:
    input:
        data=DATA,
        conditions=CONDITIONS,
        optimum=OPTIMUM,
        checkpoint=MEASURED_CHECKPOINT,
        weights=EXTERNAL_WEIGHTS,
    output:
        ensure(f"{CHECKPOINT}/denoise.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/denoise/{{model}}/n{{train_size}}/{{granularity}}/seed{{seed}}/step{{step}}.log",
    benchmark:
        f"{CHECKPOINT}/denoise.benchmark.jsonl"
    conda:
        "../envs/diffbench.yaml"
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        mem_mb=NETWORK_MEMORY,
        runtime=240,
    params:
        spec=spec("denoise"),
    shell:
        "python -m diffbench denoise --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --optimum {input.optimum} --out {output}"
        " --checkpoint {input.checkpoint} 2> {log}"


# The closed-form optimum of a training subset, on the same noise: what all checkpoints trained on it are held against.
rule optimum:
    input:
        data=DATA,
        conditions=CONDITIONS,
    output:
        ensure(OPTIMUM, non_empty=True),
    log:
        f"{RESULTS}/logs/optimum/n{{train_size}}/{{granularity}}.log",
    benchmark:
        f"{RESULTS}/optimum/n{{train_size}}/{{granularity}}.benchmark.jsonl"
    conda:
        "../envs/diffbench.yaml"
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        mem_mb=NETWORK_MEMORY,
        runtime=240,
    params:
        spec=spec("optimum"),
    shell:
        "python -m diffbench optimum --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --out {output} 2> {log}"
