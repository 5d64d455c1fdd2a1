def milestone_before(wildcards):
    """The checkpoint that a segment starts from, if it is not the first of its run."""
    step = STUDY.milestone_before(int(wildcards.step))
    if step is None:
        return []
    return f"{RUN}/step{step}/checkpoint.pt".format(**wildcards)


rule train:
    input:
        data=DATA,
        conditions=CONDITIONS,
        # Where a segment starts changes no byte of its result: a milestone put in between must not retrain later ones.
        start=ancient(milestone_before),
    output:
        ensure(f"{CHECKPOINT}/checkpoint.pt", non_empty=True),
    params:
        spec=spec("train"),
    log:
        f"{RESULTS}/logs/train/{{model}}/n{{train_size}}/{{granularity}}/seed{{seed}}/step{{step}}.log",
    benchmark:
        f"{CHECKPOINT}/train.benchmark.jsonl"
    threads: STUDY.threads
    resources:
        mem_mb=1500,
        runtime=1440,
    shell:
        "{DIFFBENCH} train --spec {params.spec:q} --device {DEVICE} --data {input.data}"
        " --conditions {input.conditions} --out {output} --start {input.start} 2> {log}"
