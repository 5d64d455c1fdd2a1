rule consistency:
    input:
        data=DATA,
        conditions=CONDITIONS,
        twin_conditions=CONDITIONS.replace("{granularity}", f"{{granularity}}{TWIN}"),
        samples=f"{CELL}/samples.h5",
        twin_samples=f"{CELL}/samples.h5".replace(
            "{granularity}", f"{{granularity}}{TWIN}"
        ),
    output:
        ensure(f"{CELL}/consistency.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/consistency/{CELL_NAME}.log",
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=MEMORY,
        runtime=60,
    params:
        spec=spec("cell"),
    shell:
        "python -m diffbench consistency --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --twin-conditions {input.twin_conditions} --samples {input.samples} --twin-samples {input.twin_samples}"
        " --out {output} 2> {log}"
