rule overlap:
    input:
        data=DATA,
        conditions=CONDITIONS,
        trajectories=f"{CELL}/trajectories.h5",
    output:
        ensure(f"{CELL}/overlap.h5", non_empty=True),
    params:
        spec=spec("cell"),
    log:
        f"{RESULTS}/logs/overlap/{CELL_NAME}.log",
    benchmark:
        f"{CELL}/overlap.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=240,
    shell:
        "{DIFFBENCH} overlap --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --trajectories {input.trajectories} --out {output} 2> {log}"
