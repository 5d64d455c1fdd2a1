rule memorization:
    input:
        data=DATA,
        conditions=CONDITIONS,
        features=FEATURES,
        samples=f"{CELL}/samples.h5",
    output:
        ensure(f"{CELL}/memorization.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/memorization/{CELL_NAME}.log",
    benchmark:
        f"{CELL}/memorization.benchmark.jsonl"
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=MEMORY,
        runtime=240,
    params:
        spec=spec("cell"),
    shell:
        "python -m diffbench memorization --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --features {input.features} --samples {input.samples} --out {output} 2> {log}"
