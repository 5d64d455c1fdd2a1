# The 2D laboratory: closed forms need no data; trained models are held against them. Jobs exist only with `lab:`.
from diffbench.settings.lab import TOPICS


rule lab:
    output:
        ensure(at(layout.TOPIC), non_empty=True),
    log:
        log_at(layout.TOPIC),
    wildcard_constraints:
        topic=either(TOPICS),
    threads: 1
    resources:
        mem_mb=memory("lab"),
        runtime=runtime("lab"),
    params:
        spec=spec("lab"),
    shell:
        "python -m diffbench lab --spec {params.spec:q} --out {output} 2> {log}"


rule equivalent:
    input:
        data=at(layout.DATA),
        conditions=at(layout.CONDITIONS),
        losses=at(layout.DENOISE),
    output:
        ensure(at(layout.EQUIVALENT), non_empty=True),
    log:
        log_at(layout.EQUIVALENT),
    threads: 1
    resources:
        mem_mb=memory("equivalent"),
        runtime=runtime("equivalent"),
    params:
        spec=spec("equivalent"),
    shell:
        "python -m diffbench equivalent --spec {params.spec:q} --data {input.data} --conditions {input.conditions}"
        " --losses {input.losses} --out {output} 2> {log}"
