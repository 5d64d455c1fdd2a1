# The space in which the quality of samples is measured; an encoder's file is an input, so that a new one is used.
rule features:
    input:
        data=DATA,
        encoder=STUDY.measures.quality.encoder or [],
    output:
        ensure(FEATURES, non_empty=True),
    log:
        f"{RESULTS}/logs/features.log",
    benchmark:
        f"{RESULTS}/features.benchmark.jsonl"
    conda:
        "../envs/diffbench.yaml"
    threads: STUDY.threads
    resources:
        mem_mb=MEMORY,
        runtime=120,
    params:
        spec=STUDY.measures.quality.model_dump_json(),
    shell:
        "python -m diffbench features --spec {params.spec:q} --data {input.data} --out {output} 2> {log}"
