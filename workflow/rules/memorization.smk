rule memorization:
    input:
        data=DATA,
        conditions=CONDITIONS,
        samples=f"{CELL}/samples.h5",
    output:
        ensure(f"{CELL}/memorization.h5", non_empty=True),
    params:
        spec=spec("cell"),
    log:
        f"{RESULTS}/logs/memorization/{CELL_NAME}.log",
    benchmark:
        f"{CELL}/memorization.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=240,
    shell:
        "{DIFFBENCH} memorization --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --samples {input.samples} --out {output} 2> {log}"
