# The study, where its files lie, and what the rules ask of it.
import json
import logging
import os
import re
import sys
from pathlib import Path

from snakemake.common.configfile import load_configfile

from diffbench import conventions
from diffbench.cluster.batch import VARIABLE
from diffbench.cluster.slurm import ANY
from diffbench.cluster.submission import Submission
from diffbench.conventions import DiffbenchError
from diffbench.files.fingerprint import contents_of
from diffbench.files.output import unwritable
from diffbench.forkserver import start as forkserver
from diffbench.forkserver.interruption import Interruption
from diffbench.planning.ahead import plan_ahead
from diffbench.planning.memory import Memory
from diffbench.planning.runtime import Runtime
from diffbench.settings.granularity import TWIN
from diffbench.study import layout
from diffbench.study.file import load_configured
from diffbench.study.grid import Cell, Checkpoint
from diffbench.study.inventory import is_made_by, outdated, reported_damage
from diffbench.study.lineage import Lineage
from diffbench.study.lock import LockedError, taken
from diffbench.summary import TABLES

try:
    STUDY = load_configured(
        workflow.configfiles, workflow.config_settings.config, config, load_configfile
    )
except DiffbenchError as error:
    sys.exit(f"diffbench: error: {error}")

RESULTS = f"{conventions.RESULTS}/{STUDY.name}"
LINEAGE = Lineage(STUDY, contents_of(STUDY.user_files, Path(RESULTS) / layout.CONTENTS))
MEASURES = [f"{RESULTS}/{file}" for file in STUDY.files]
MEMORY = Memory(STUDY)
RUNTIME = Runtime(STUDY)
GPUS = int(
    STUDY.device == "cuda"
)  # auto takes a GPU where it finds one, and asks for none


def at(path):
    """A file of the results: a kind of `diffbench.study.layout`, as a pattern of Snakemake's, or a path in them."""
    return f"{RESULTS}/{path.pattern if isinstance(path, layout.Kind) else path}"


def shown(file, caption, category, label=""):
    """A result that Snakemake's own report shows, with what workflow/report says of it."""
    return report(
        file,
        caption=f"../report/{caption}.rst",
        category=category,
        labels={"result": label or caption.removeprefix("table-")},
    )


def log_at(kind, stage=""):
    """The log of the job that makes files of a kind."""
    return f"{RESULTS}/{kind.log(stage)}"


# Where the disk of Snakemake's log is full the terminal tells what happens, without a traceback for every line.
logging.raiseExceptions = False

# Jobs run with the Python that runs Snakemake, also where its environment was not activated.
shell.prefix(f"set -euo pipefail; export PATH={Path(sys.executable).parent}:$PATH; ")


def either(models):
    """A pattern for one of these models; for none of them one that matches nothing."""
    return "|".join(sorted(models)) or "(?!)"


MODELS = {run.model for run in STUDY.milestones}  # those that only guide included
DENOISING = either(model for model in MODELS if STUDY.denoises(model))
PLANTED = either(model for model in MODELS if not STUDY.denoises(model))


wildcard_constraints:
    model=either(MODELS),
    train_size=r"\d+",
    granularity=rf"[a-z]+(-\d+)?({TWIN})?",
    seed=r"\d+",
    step=r"\d+",
    guidance=either(map(re.escape, STUDY.guidances)),


def spec(stage):
    """The spec of a stage as a params function: exactly what the stage reads, so that nothing else reruns it."""
    return lambda wildcards: LINEAGE.spec_json(stage, wildcards)


def memory(rule):
    """MB that a rule's jobs ask of a scheduler, twice as many after each attempt: what was too little kills a job."""
    return lambda wildcards, attempt: doubled(
        MEMORY.mb(rule, wildcards), attempt, MOST.get(rule, ANY).mb
    )


def runtime(rule):
    """The same of minutes."""
    return lambda wildcards, attempt: doubled(
        RUNTIME.minutes(rule, wildcards), attempt, MOST.get(rule, ANY).minutes
    )


MOST = (
    {}
)  # what a rule's jobs may ask for, once the cluster has told (prepare_submission)


def doubled(asked, attempt, most):
    """What a job asks for at an attempt: what no machine has would be waited for without end."""
    return int(min(asked * 2 ** (attempt - 1), max(asked, most)))


def twin(kind):
    """Files of a kind that belong to a run's twin, as a pattern."""
    return at(kind).replace("{granularity}", f"{{granularity}}{TWIN}")


def trained_checkpoint(wildcards):
    """The checkpoint of a trained model; models that need no training have none."""
    if STUDY.definition(wildcards.model).trained:
        return at(layout.CHECKPOINT.of(wildcards))
    return []


# A pattern where a function is not needed: Snakemake spends several times as long on a function, for every job.
MEASURED_CHECKPOINT = (
    at(layout.CHECKPOINT)
    if all(STUDY.definition(model).trained for model in MODELS)
    else trained_checkpoint
)


# Of models made elsewhere, with what their arguments name: their stages read them by path. As for all files of the user's,
# not their time but their content, of which the specs hold a fingerprint, says what is made anew.
EXTERNAL_WEIGHTS = (
    (lambda wildcards: ancient(STUDY.weights_of(wildcards.model)))
    if any(STUDY.weights_of(model) for model in MODELS)
    else []
)


DECODER_WEIGHTS = ancient(STUDY.decoder_weights)


def decoded(kind):
    """Files of what latents are decoded to, as a pattern; none where the study has no decoder."""
    return at(kind) if kind in STUDY.decoded_kinds else []


def guide_checkpoint(wildcards):
    """The checkpoint of a cell's guide; classifier-free guidance and guides that need no training have none."""
    guided = Checkpoint.of(wildcards)  # a twin's is a twin too
    guides = STUDY.guides_of([Cell(guided, STUDY.guidances[wildcards.guidance])])
    return [at(layout.CHECKPOINT.of(guide.factors)) for guide in guides]


def guide_weights(wildcards):
    """Weights of a guide made elsewhere."""
    model = STUDY.guidances[wildcards.guidance].model
    return ancient(STUDY.weights_of(model)) if model else []


GUIDING = {each.model for each in STUDY.guidances.values() if each.model}
GUIDE = guide_checkpoint if STUDY.guides_of(STUDY.cells) else []
GUIDE_WEIGHTS = guide_weights if any(map(STUDY.weights_of, GUIDING)) else []


def milestone_before(wildcards):
    """The checkpoint that is to be made first, if there is one before in its run. A twin has its run's milestones.

    Where a segment starts changes no byte of its result, so a checkpoint that is what the study asks for is not retrained
    by a milestone that is put in between later, or made anew. One that is not is trained anew after it, and goes on from
    its state: so a changed setting retrains all milestones of its runs in one go.
    """
    starts = STUDY.milestones_before(plain(wildcards))
    if not starts:
        return []
    start = dict(wildcards) | {"step": starts[-1]}
    path = at(layout.CHECKPOINT.of(start))
    if is_current(wildcards):
        return ancient(path) if is_current(start) else []
    return path


def last_milestone(wildcards):
    """Step at which the study ends a run: the state that training would go on from is not kept there if it was cheap."""
    return STUDY.milestones[plain(wildcards).run][-1]


def plain(wildcards):
    """A checkpoint, or that whose twin it is."""
    granularity = wildcards.granularity.removesuffix(TWIN)
    return Checkpoint.of(dict(wildcards) | {"granularity": granularity})


def is_current(wildcards):
    """Whether a checkpoint exists that was made by the spec of today, of data and labels that are no newer."""
    path = Path(at(layout.CHECKPOINT.of(wildcards)))
    if not is_made_by(path, LINEAGE.fingerprint(layout.CHECKPOINT, wildcards)):
        return False
    read = [at(kind.of(wildcards)) for kind in (layout.DATA, layout.CONDITIONS)]
    return all(
        os.path.exists(each) and os.path.getmtime(each) <= path.stat().st_mtime
        for each in read
    )


def nothing_stale(wildcards):
    """No files, but those that are known as damaged, or that another spec made, are made anew.

    Snakemake compares the specs of today with its own record, which results that were copied lack, and the times of
    files, which copies do not keep; and it misses no file that only finished jobs read, as the summary its measures. A
    part of the input of `data`, on which nearly all depends: the DAG can still be told.
    """
    workflow.dag.forcefiles.update(map(at, outdated(LINEAGE, Path(RESULTS))))
    return []


INTERRUPTION = Interruption()
LOCKS = []  # held as long as this process lives


def hold_lock():
    """Refuse a second run of the same study."""
    try:
        Path(RESULTS).mkdir(parents=True, exist_ok=True)
        LOCKS.append(taken(Path(RESULTS)))
    except LockedError as error:
        sys.exit(f"diffbench: error: another run writes {RESULTS}; {error}")
    except OSError as error:
        sys.exit(f"diffbench: error: {unwritable(Path(RESULTS), error)}")


def lift_limit_of_starts():
    """Let jobs on this machine start as soon as they can.

    Snakemake's limit of starts per second, which is meant for clusters, wakes the scheduler again and again, once more
    for each job that has ended: after 400 jobs of a study it took half a core.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def start_server():
    """Start the process of which the jobs of this run are forks, where they run on this machine."""
    if not workflow.local_exec:
        return
    needed = {job.rule for job in workflow.dag.needrun_jobs()}
    try:
        forkserver.start(rule.name for rule in workflow.rules if rule in needed)
    except OSError as error:
        print(
            f"note: every job starts by itself, seconds slower: {error}",
            file=sys.stderr,
        )


def prepare_submission():
    """Let short jobs share submissions, and end the run now if the cluster cannot take one that is to come."""
    submission = Submission(workflow, STUDY, RUNTIME)
    submission.ask_whom_there_is()
    try:
        MOST.update(submission.prepare())
    except DiffbenchError as error:
        sys.exit(f"diffbench: error: {error}")


def files_of_batch(_):
    """The files that a batch makes; those that are to be made though they are there are forced."""
    batch = json.loads(Path(os.environ[VARIABLE]).read_text())
    workflow.dag.forcefiles.update(batch["forced"])
    return batch["files"]


def end_at_once():
    """End a run that was told to, without summary and report, for which nobody waits."""
    sys.exit(f"diffbench: ended by {INTERRUPTION.by}, with all its jobs")


def page(name):
    """A page of the report, which stays until the new ones are complete.

    Snakemake must not delete it before, nor when the job fails. It takes pages that it restored for new ones; that the
    table of unfinished files is gone tells it better.
    """
    file = update(ensure(at(layout.page(name)), non_empty=True))
    return shown(file, name, "Pages", "overview" if name == "index" else name)


def report_what_exists():
    """Summary and report of a study of which some jobs failed or were not reached.

    Where they fail as well, as on a full disk, they have said why.
    """
    spec, report = (
        each.model_dump_json() for each in (LINEAGE.summary_spec, STUDY.report)
    )
    shell(
        "python -m diffbench summary --spec {spec:q} --results {RESULTS}"
        " && python -m diffbench report --spec {report:q} --results {RESULTS} || true"
    )


def report_written():
    """What tells a report from one that was made before it, if there is one."""
    try:
        state = os.stat(at(layout.page("index")))
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


REPORT_BEFORE = report_written()


def name_report():
    """Print where the report lies, if this run made one."""
    if report_written() not in (None, REPORT_BEFORE):
        print(f"Report: {Path(at(layout.page('index'))).resolve()}", flush=True)


def fail_if_damaged():
    """End the run with an error if the report names damaged results, though there is a report of the others."""
    if damaged := reported_damage(Path(RESULTS)):
        what = "1 file is" if len(damaged) == 1 else f"{len(damaged)} files are"
        sys.exit(
            f"diffbench: error: {what} damaged, e.g. {RESULTS}/{damaged[0]}: run again to make what is damaged anew"
        )
