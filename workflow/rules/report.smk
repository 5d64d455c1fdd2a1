rule report:
    input:
        rules.summary.output,
    output:
        report(
            ensure(f"{RESULTS}/report/index.html", non_empty=True),
            caption="../report/index.rst",
            category="Pages",
        ),
        report(
            ensure(f"{RESULTS}/report/claims.html", non_empty=True),
            caption="../report/claims.rst",
            category="Pages",
        ),
        (
            report(
                f"{RESULTS}/report/lab.html",
                caption="../report/lab.rst",
                category="Pages",
            )
            if STUDY.lab
            else []
        ),
        (
            report(
                f"{RESULTS}/report/controls.html",
                caption="../report/controls.rst",
                category="Pages",
            )
            if STUDY.has_controls
            else []
        ),
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        report=STUDY.report.model_dump_json(),
        results=subpath(output[0], ancestor=2),
    shell:
        "python -m diffbench report --spec {params.report:q} --results {params.results} 2> {log}"
