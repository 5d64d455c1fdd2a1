SUMMARY_STUDY = STUDY.without("report", "device", "threads")


rule summary:
    input:
        [f"{RESULTS}/{file}" for file in STUDY.files],
    output:
        expand(f"{RESULTS}/summary/{{table}}.{{kind}}", table=TABLES, kind=["csv", "h5"]),
        status=f"{RESULTS}/summary/status.csv",
        costs=f"{RESULTS}/summary/costs.csv",
        manifest=ensure(f"{RESULTS}/summary/manifest.json", non_empty=True),
    params:
        study=SUMMARY_STUDY,
    log:
        f"{RESULTS}/logs/summary.log",
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    shell:
        "{DIFFBENCH} summary --study {params.study:q} --results {RESULTS} 2> {log}"
