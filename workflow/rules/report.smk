rule report:
    input:
        rules.summary.output,
    output:
        [page(name) for name in STUDY.pages],
        [page(name) for name in ["lab"] if STUDY.lab],
        [page(name) for name in ["controls"] if STUDY.has_controls],
        [
            shown(update(at(layout.LEADERBOARD)), "table-leaderboard", "Tables")
            for name in STUDY.pages
            if name == "leaderboard"
        ],
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
