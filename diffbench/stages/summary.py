"""Summary: the files of a study gathered into tidy tables, with a manifest of where they come from."""

import json
from pathlib import Path

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.account import line
from diffbench.data.catalog import facts
from diffbench.files import estimates, provenance
from diffbench.files.output import atomic, write_csv
from diffbench.study.layout import CLAIMS, DATA, FEATURES, LAWS, table
from diffbench.study.lineage import Lineage
from diffbench.study.specs import SummarySpec
from diffbench.study.study import Study
from diffbench.summary import TABLES
from diffbench.summary.claims.judge import judge
from diffbench.summary.controls import judge_controls
from diffbench.summary.costs import stage_costs
from diffbench.summary.kept import keeping, kept
from diffbench.summary.laboratory import laboratory_tests
from diffbench.summary.laws.judge import judge_laws
from diffbench.summary.lookup import Lookup
from diffbench.summary.manifest import write_manifest
from diffbench.summary.models import model_sizes
from diffbench.summary.onsets import onsets
from diffbench.summary.reading import DONE, Reader
from diffbench.summary.tables import gather, status, tables
from diffbench.summary.timescales import timescales
from diffbench.summary.verdicts import as_records


def run(spec: SummarySpec, results: Path) -> None:
    """Write summary/*.csv, summary/*.h5, verdicts and the manifest in `results`, from the files that exist.

    A file that cannot be read stops no other: it is named with the reason, and marked if it is damaged.
    """
    study, reader = spec.study, Reader(Lineage(spec.study, spec.contents), results)
    with kept(results) as before, keeping(results) as now, tables(results, TABLES) as filled:
        gather(reader, before, now, filled)
        lookup = Lookup(now.rows)
        scales = timescales(study, lookup, onsets(reader, before, now))
        filled["timescales"].append_frame(scales)
        sizes = model_sizes(study, reader)
        costs, unknown_costs = stage_costs(results)
        others = {"models": sizes, "costs": costs}
        if study.has_controls:
            others["controls"] = judge_controls(study, lookup)
        counted = sizes.dropna(subset=["parameters"])
        parameters = dict(zip(counted["model"], counted["parameters"], strict=True))
        of_data = facts(study.data)
        claims = judge(study, lookup, parameters, of_data, laboratory_tests(reader))
        laws = judge_laws(study, lookup, scales, of_data)
        known: dict[str, object] = {"made_by": spec.fingerprint, "contents": spec.contents}
        known |= {"images": images(reader), "feature_space": feature_space(reader)}
        others["status"] = status(now, reader, unknown_costs)  # when all is read

    for name, rows in others.items():
        write_csv(results / table(name), rows)
    for path, records in ((CLAIMS, as_records(claims)), (LAWS, as_records(laws, "law"))):
        with atomic(results / path) as temporary:
            temporary.write_text(json.dumps(records, indent=2))
    csv, hdf5 = (table(name) for name in (*TABLES, *others)), (table(name, "h5") for name in TABLES)
    vouched = [*csv, *hdf5, CLAIMS, LAWS]
    write_manifest(results, described(study, others["status"]) | known, vouched)


def described(study: Study, files: pd.DataFrame) -> dict[str, object]:
    """What the study is, what of it exists, and what made it; files: the table of their status."""
    states = files.set_index("file")["state"].reindex(list(study.files))
    lacking = set(states.index[states != DONE])
    complete = [cell for cell in study.cells if lacking.isdisjoint(study.files_of(cell))]
    return {
        "study": study.model_dump(mode="json"),
        "cells": len(study.cells),
        "cells_complete": len(complete),
        "files": {str(state): int(count) for state, count in states.value_counts().items()},
        "provenance": provenance.attributes({}, {}),
    }


def images(reader: Reader) -> str | None:
    """What became of the images that the study was given, in a line; None where nothing is to be said of them."""
    try:
        account = reader.header(DATA, {}).attributes.get("account")
    except DiffbenchError:
        return None
    return line(account) if account else None


def feature_space(reader: Reader) -> dict[str, object] | None:
    """Name of the space in which quality is measured, and what is known of it, such as a classifier's accuracy."""
    try:
        file = reader.read(FEATURES, {})
        space: dict[str, object] = {"name": file.attributes["space"]}
        for row in estimates.rows(file):
            space[str(row["measure"])] = {name: float(row[name]) for name in ("value", "low", "high")}
    except DiffbenchError:
        return None
    return space
