rule summary:
    input:
        MEASURES,
    output:
        expand(at(layout.TABLE), table=TABLES, suffix=["csv", "h5"]),
        [
            shown(at(layout.table(name)), f"table-{name}", "Tables")
            for name in layout.SUMMARIES
        ],
        expand(at(layout.TABLE), table=["controls"] * STUDY.has_controls, suffix="csv"),
        manifest=shown(
            ensure(at(layout.MANIFEST), non_empty=True),
            "manifest",
            "Configuration and versions",
        ),
        claims=shown(
            ensure(at(layout.CLAIMS), non_empty=True), "table-claims", "Tables"
        ),
        laws=shown(ensure(at(layout.LAWS), non_empty=True), "table-laws", "Tables"),
    log:
        log_at(layout.TABLE),
    threads: 1
    resources:
        mem_mb=memory("summary"),
        runtime=runtime("summary"),
    params:
        spec=LINEAGE.summary_spec.model_dump_json(),
        results=subpath(output.manifest, ancestor=2),
    shell:
        "python -m diffbench summary --spec {params.spec:q} --results {params.results} 2> {log}"
