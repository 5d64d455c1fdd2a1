# The study, where its files lie, and what the rules ask of it.
import sys
from pathlib import Path

from diffbench import specs
from diffbench.conventions import DiffbenchError
from diffbench.study import parse_study
from diffbench.summary import TABLES

try:
    STUDY = parse_study(
        dict(config), ", ".join(map(str, workflow.configfiles)) or "--config"
    )
except DiffbenchError as error:
    sys.exit(f"diffbench: error: {error}")

RESULTS = f"results/{STUDY.name}"
RUN = f"{RESULTS}/{{model}}/n{{train_size}}/{{granularity}}/seed{{seed}}"
CHECKPOINT = f"{RUN}/step{{step}}"
CELL = f"{CHECKPOINT}/w{{guidance}}"
CELL_NAME = CELL.removeprefix(f"{RESULTS}/")
DATA = f"{RESULTS}/data.h5"
CONDITIONS = f"{RESULTS}/conditions/n{{train_size}}/{{granularity}}.h5"
OPTIMUM = f"{RESULTS}/optimum/n{{train_size}}/{{granularity}}.h5"
DIFFBENCH = f"{sys.executable} -m diffbench"
DEVICE = STUDY.device


wildcard_constraints:
    model="|".join(sorted({run.model for run in STUDY.runs})),
    train_size=r"\d+",
    granularity=r"[a-z]+(-\d+)?",
    seed=r"\d+",
    step=r"\d+",
    guidance=r"[-0-9.e+]+",


def spec(stage):
    """The spec of a stage as a params function: exactly what the stage reads, so that nothing else reruns it."""
    return lambda wildcards: getattr(specs, stage)(STUDY, wildcards)


def trained_checkpoint(wildcards):
    """The checkpoint of a trained model; models that need no training have none."""
    if STUDY.definition(wildcards.model).trained:
        return f"{CHECKPOINT}/checkpoint.pt".format(**wildcards)
    return []


def report_what_exists():
    """Summary and report of a study of which some jobs failed or were not reached."""
    study, report = SUMMARY_STUDY, STUDY.report.model_dump_json()
    shell("{DIFFBENCH} summary --study {study:q} --results {RESULTS} && {DIFFBENCH} report --spec {report:q} --results {RESULTS}")
