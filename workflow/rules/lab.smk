# The 2D laboratory: closed forms need no data; trained models are held against them. Jobs exist only with `lab:`.
from diffbench.settings.lab import TOPICS


rule lab:
    output:
        ensure(f"{RESULTS}/lab/{{topic}}.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/lab/{{topic}}.log",
    benchmark:
        f"{RESULTS}/lab/{{topic}}.benchmark.jsonl"
    wildcard_constraints:
        topic=either(TOPICS),
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        spec=spec("lab"),
    shell:
        "python -m diffbench lab --spec {params.spec:q} --out {output} 2> {log}"


rule equivalent:
    input:
        data=DATA,
        conditions=CONDITIONS,
        losses=f"{CHECKPOINT}/denoise.h5",
    output:
        ensure(f"{CHECKPOINT}/equivalent.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/equivalent/{CHECKPOINT.removeprefix(RESULTS + '/')}.log",
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=MEMORY,
        runtime=60,
    params:
        spec=spec("equivalent"),
    shell:
        "python -m diffbench equivalent --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --losses {input.losses} --out {output} 2> {log}"
