rule data:
    output:
        ensure(DATA, non_empty=True),
    params:
        spec=STUDY.data.model_dump_json(),
    log:
        f"{RESULTS}/logs/data.log",
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    shell:
        "{DIFFBENCH} data --spec {params.spec:q} --out {output} 2> {log}"


rule conditions:
    input:
        data=DATA,
    output:
        ensure(CONDITIONS, non_empty=True),
    params:
        spec=spec("conditions"),
    log:
        f"{RESULTS}/logs/conditions/n{{train_size}}/{{granularity}}.log",
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    shell:
        "{DIFFBENCH} conditions --spec {params.spec:q} --data {input.data} --out {output} 2> {log}"
