rule summary:
    input:
        MEASURES,
    output:
        expand(
            f"{RESULTS}/summary/{{table}}.{{kind}}", table=TABLES, kind=["csv", "h5"]
        ),
        models=f"{RESULTS}/summary/models.csv",
        status=f"{RESULTS}/summary/status.csv",
        costs=f"{RESULTS}/summary/costs.csv",
        manifest=ensure(f"{RESULTS}/summary/manifest.json", non_empty=True),
        claims=ensure(f"{RESULTS}/claims.json", non_empty=True),
    log:
        f"{RESULTS}/logs/summary.log",
    conda:
        "../envs/diffbench.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        study=STUDY_OF_SUMMARY,
        results=subpath(output.manifest, ancestor=2),
    shell:
        "python -m diffbench summary --study {params.study:q} --results {params.results} 2> {log}"
