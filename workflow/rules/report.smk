rule report:
    input:
        rules.summary.output,
    output:
        ensure(f"{RESULTS}/report/index.html", non_empty=True),
    params:
        report=STUDY.report.model_dump_json(),
    log:
        f"{RESULTS}/logs/report.log",
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    shell:
        "{DIFFBENCH} report --spec {params.report:q} --results {RESULTS} 2> {log}"
