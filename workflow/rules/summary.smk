rule summary:
    input:
        [f"{RESULTS}/{file}" for file in STUDY.files],
    output:
        expand(f"{RESULTS}/summary/{{table}}", table=SUMMARY_FILES),
    params:
        study=STUDY.without("report", "device", "threads"),
    log:
        f"{RESULTS}/logs/summary.log",
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    shell:
        "{DIFFBENCH} summary --study {params.study:q} --results {RESULTS} 2> {log}"
