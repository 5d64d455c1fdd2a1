rule sample:
    input:
        data=DATA,
        conditions=CONDITIONS,
        checkpoint=trained_checkpoint,
    output:
        samples=ensure(f"{CELL}/samples.h5", non_empty=True),
        trajectories=temp(f"{CELL}/trajectories.h5"),
    params:
        spec=spec("sample"),
    log:
        f"{RESULTS}/logs/sample/{CELL_NAME}.log",
    benchmark:
        f"{CELL}/sample.benchmark.jsonl"
    threads: STUDY.threads
    resources:
        mem_mb=1500,
        runtime=240,
    shell:
        "{DIFFBENCH} sample --spec {params.spec:q} --device {DEVICE} --data {input.data}"
        " --conditions {input.conditions} --out {output.samples} --trajectories {output.trajectories}"
        " --checkpoint {input.checkpoint} 2> {log}"
