rule denoise:
    input:
        data=DATA,
        conditions=CONDITIONS,
        optimum=OPTIMUM,
        checkpoint=trained_checkpoint,
    output:
        ensure(f"{CHECKPOINT}/denoise.h5", non_empty=True),
    params:
        spec=spec("denoise"),
    log:
        f"{RESULTS}/logs/denoise/{{model}}/n{{train_size}}/{{granularity}}/seed{{seed}}/step{{step}}.log",
    benchmark:
        f"{CHECKPOINT}/denoise.benchmark.jsonl"
    threads: STUDY.threads
    resources:
        mem_mb=1500,
        runtime=240,
    shell:
        "{DIFFBENCH} denoise --spec {params.spec:q} --device {DEVICE} --data {input.data}"
        " --conditions {input.conditions} --optimum {input.optimum} --out {output}"
        " --checkpoint {input.checkpoint} 2> {log}"


# The closed-form optimum of a training subset, on the same noise: what all checkpoints trained on it are held against.
rule optimum:
    input:
        data=DATA,
        conditions=CONDITIONS,
    output:
        ensure(OPTIMUM, non_empty=True),
    params:
        spec=spec("optimum"),
    log:
        f"{RESULTS}/logs/optimum/n{{train_size}}/{{granularity}}.log",
    benchmark:
        f"{RESULTS}/optimum/n{{train_size}}/{{granularity}}.benchmark.jsonl"
    threads: STUDY.threads
    resources:
        mem_mb=1500,
        runtime=240,
    shell:
        "{DIFFBENCH} optimum --spec {params.spec:q} --device {DEVICE} --data {input.data}"
        " --conditions {input.conditions} --out {output} 2> {log}"
