rule report:
    input:
        rules.summary.output,
    # Old pages stay until the new ones are complete: Snakemake must not delete them before, nor when the job fails. It
    # takes pages that it restored for new ones; that the table is gone tells it better.
    output:
        [
            report(
                update(ensure(at(layout.page(page)), non_empty=True)),
                caption=f"../report/{page}.rst",
                category="Pages",
            )
            for page in STUDY.pages
        ],
        (
            report(
                update(at(layout.page("lab"))),
                caption="../report/lab.rst",
                category="Pages",
            )
            if STUDY.lab
            else []
        ),
        (
            report(
                update(at(layout.page("controls"))),
                caption="../report/controls.rst",
                category="Pages",
            )
            if STUDY.has_controls
            else []
        ),
        at(layout.UNFINISHED),
    log:
        log_at(layout.PAGE),
    threads: 1
    resources:
        mem_mb=memory("report"),
        runtime=runtime("report"),
    params:
        report=STUDY.report.model_dump_json(),
        results=subpath(output[0], ancestor=2),
    shell:
        "python -m diffbench report --spec {params.report:q} --results {params.results} 2> {log}"
