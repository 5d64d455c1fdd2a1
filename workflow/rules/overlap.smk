rule overlap:
    input:
        data=DATA,
        conditions=CONDITIONS,
        trajectories=f"{CELL}/trajectories.h5",
    output:
        ensure(f"{CELL}/overlap.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/overlap/{CELL_NAME}.log",
    benchmark:
        f"{CELL}/overlap.benchmark.jsonl"
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=MEMORY,
        runtime=240,
    params:
        spec=spec("cell"),
    shell:
        "python -m diffbench overlap --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --trajectories {input.trajectories} --out {output} 2> {log}"
