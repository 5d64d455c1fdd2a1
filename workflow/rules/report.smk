rule report:
    input:
        rules.summary.output,
    output:
        report(
            ensure(at(layout.page("index")), non_empty=True),
            caption="../report/index.rst",
            category="Pages",
        ),
        report(
            ensure(at(layout.page("claims")), non_empty=True),
            caption="../report/claims.rst",
            category="Pages",
        ),
        (
            report(
                at(layout.page("lab")),
                caption="../report/lab.rst",
                category="Pages",
            )
            if STUDY.lab
            else []
        ),
        (
            report(
                at(layout.page("controls")),
                caption="../report/controls.rst",
                category="Pages",
            )
            if STUDY.has_controls
            else []
        ),
    log:
        log_at(layout.PAGE),
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        report=STUDY.report.model_dump_json(),
        results=subpath(output[0], ancestor=2),
    shell:
        "python -m diffbench report --spec {params.report:q} --results {params.results} 2> {log}"
