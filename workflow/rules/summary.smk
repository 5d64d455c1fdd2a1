rule summary:
    input:
        MEASURES,
    output:
        expand(at(layout.TABLE), table=TABLES, suffix=["csv", "h5"]),
        expand(at(layout.TABLE), table=layout.SUMMARIES, suffix="csv"),
        expand(at(layout.TABLE), table=["controls"] * STUDY.has_controls, suffix="csv"),
        manifest=ensure(at(layout.MANIFEST), non_empty=True),
        claims=ensure(at(layout.CLAIMS), non_empty=True),
        laws=ensure(at(layout.LAWS), non_empty=True),
    log:
        log_at(layout.TABLE),
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        spec=LINEAGE.summary_spec.model_dump_json(),
        results=subpath(output.manifest, ancestor=2),
    shell:
        "python -m diffbench summary --spec {params.spec:q} --results {params.results} 2> {log}"
