rule data:
    input:
        STUDY.data.path or [],
        STUDY.data.held_out or [],
    output:
        ensure(DATA, non_empty=True),
    log:
        f"{RESULTS}/logs/data.log",
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=MEMORY,
        runtime=30,
    params:
        spec=STUDY.data.model_dump_json(),
    shell:
        "python -m diffbench data --spec {params.spec:q} --out {output} 2> {log}"


rule conditions:
    input:
        data=DATA,
    output:
        ensure(CONDITIONS, non_empty=True),
    log:
        f"{RESULTS}/logs/conditions/n{{train_size}}/{{granularity}}.log",
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=MEMORY,
        runtime=60,
    params:
        spec=spec("conditions"),
    shell:
        "python -m diffbench conditions --spec {params.spec:q} --data {input.data} --out {output} 2> {log}"
