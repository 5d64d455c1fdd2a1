rule train:
    input:
        data=DATA,
        conditions=CONDITIONS,
        # That the start is newer is no reason to train anew: it changes no byte of the result.
        start=ancient(milestone_before),
    output:
        ensure(f"{CHECKPOINT}/checkpoint.pt", non_empty=True),
    log:
        f"{RESULTS}/logs/train/{{model}}/n{{train_size}}/{{granularity}}/seed{{seed}}/step{{step}}.log",
    benchmark:
        f"{CHECKPOINT}/train.benchmark.jsonl"
    conda:
        "../envs/diffbench.yaml"
    threads: STUDY.threads
    resources:
        device=STUDY.device,
        mem_mb=NETWORK_MEMORY,
        runtime=1440,
    params:
        spec=spec("train"),
    shell:
        "python -m diffbench train --spec {params.spec:q} --device {resources.device} --data {input.data}"
        " --conditions {input.conditions} --out {output} --start {input.start} 2> {log}"
