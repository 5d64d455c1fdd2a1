"""Which jobs share a submission: each in one batch, none short while there is more work, none that waits for itself."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.planning.batches import CELLS, ENDS, MOST, SHARED, Job, batches, seconds
from diffbench.study import layout

LEAST = 300.0


def study(runs: int, cells: int, of_a_cell: float, training: float = 1.0, shared: float = 1.0) -> list[Job]:
    """Jobs of so many runs, each of two checkpoints with so many cells."""
    found = [Job("data", "data", shared), Job("conditions", "conditions", shared, ("data",))]
    for run in range(runs):
        before: tuple[str, ...] = ()
        for step in range(2):
            train = f"train {run} {step}"
            found.append(Job(train, "train", training, ("conditions", *before)))
            before = (train,)
            for cell in range(cells):
                name = f"{run} {step} {cell}"
                found.append(Job(f"sample {name}", "sample", of_a_cell, ("data", train), name))
                found.append(Job(f"overlap {name}", "overlap", 0.1, ("data", f"sample {name}"), name))
    everything = tuple(job.name for job in found)
    return [*found, Job("summary", "summary", 2.0, everything), Job("report", "report", 2.0, ("summary",))]


def submissions(jobs: list[Job], least: float = LEAST, most: float = math.inf) -> list[list[Job]]:
    together = batches(jobs, least, most)
    batched = {job.name for batch in together for job in batch}
    return together + [[job] for job in jobs if job.name not in batched]


def has_an_order(submitted: list[list[Job]]) -> bool:
    """Whether submissions can be made one after the other."""
    of = {job.name: number for number, batch in enumerate(submitted) for job in batch}
    waits_for = {
        number: {of[name] for job in batch for name in job.waits_for} - {number}
        for number, batch in enumerate(submitted)
    }
    done: set[int] = set()
    while ready := {number for number, others in waits_for.items() if others <= done} - done:
        done |= ready
    return len(done) == len(submitted)


sizes = st.sampled_from([0.01, 1.0, 20.0, 400.0, 2000.0])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 30), sizes, sizes, sizes, st.sampled_from([math.inf, 1000.0, 10.0]))
def test_every_job_is_submitted_once_in_an_order_that_there_is(
    runs: int, cells: int, of_a_cell: float, training: float, shared: float, most: float
) -> None:
    jobs = study(runs, cells, of_a_cell, training, shared)
    submitted = submissions(jobs, most=most)
    assert sorted(job.name for job in itertools.chain(*submitted)) == sorted(job.name for job in jobs)
    assert has_an_order(submitted)
    assert all(seconds(batch) <= most for batch in submitted if len(batch) > 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 30), st.floats(0.01, 280.0))
def test_no_submission_is_short_while_there_is_more_work(runs: int, cells: int, of_a_cell: float) -> None:
    """Beside what all cells wait for, and what waits for them all."""
    submitted = submissions(study(runs, cells, of_a_cell))
    if len(submitted) > 1:
        short = [batch for batch in submitted if seconds(batch) < LEAST]
        assert {job.rule for job in itertools.chain(*short)} <= {"data", "conditions", "summary", "report"}
        assert len(short) <= ENDS


@pytest.mark.parametrize(("runs", "of_a_cell"), [(5, 0.1), (10, 3.0), (50, 1.0), (50, 30.0), (500, 2.0)])
def test_large_studies_of_short_cells_take_one_submission_in_fifty_cells(runs: int, of_a_cell: float) -> None:
    count = 20 * runs
    assert len(submissions(study(runs, 10, of_a_cell))) <= count / CELLS


def test_cells_that_take_a_minute_are_shared_out_by_the_hour() -> None:
    submitted = submissions(study(50, 10, 120.0))
    assert all(MOST / 2 < seconds(batch) < 2 * MOST for batch in submitted if {"sample"} & {job.rule for job in batch})


def test_a_long_training_waits_for_nothing_but_the_one_before() -> None:
    submitted = submissions(study(3, 2, 1.0, training=1000.0))
    alone = [batch[0].name for batch in submitted if len(batch) == 1]
    assert sorted(alone) == sorted(f"train {run} {step}" for run in range(3) for step in range(2))
    jobs = study(3, 2, 1.0)
    jobs = [Job(job.name, job.rule, 1000.0, job.waits_for) if job.name == "train 1 1" else job for job in jobs]
    alone = [batch[0].name for batch in submissions(jobs) if len(batch) == 1]
    assert alone == ["train 1 0", "train 1 1"]


def test_what_many_runs_read_is_known_as_such() -> None:
    of_many = {kind.stage for kind in layout.KINDS.values() if "model" not in kind.fields} - {"lab", *layout.WHOLE}
    assert set(SHARED) == of_many


def test_what_is_left_of_a_study_is_one_submission() -> None:
    left = [Job("overlap", "overlap", 0.1, (), "a"), Job("summary", "summary", 2.0, ("overlap",))]
    assert batches([*left, Job("report", "report", 2.0, ("summary",))], LEAST) == [
        [*left, Job("report", "report", 2.0, ("summary",))]
    ]


def test_a_short_job_that_waits_for_a_long_one_is_not_made_before_it() -> None:
    jobs = [Job("data", "data", 1.0), Job("features", "features", 1.0, ("data",))]
    jobs += [Job("conditions", "conditions", 999.0, ("data",)), Job("optimum", "optimum", 1.0, ("data", "conditions"))]
    assert [[job.name for job in batch] for batch in submissions(jobs)] == [
        ["data", "features"],
        ["conditions"],
        ["optimum"],
    ]
