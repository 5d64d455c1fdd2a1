"""Losses over steps: the mean of every step's batch, whatever segments and kills a training went through."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diffbench.conventions import DiffbenchError
from diffbench.files.checkpoint import RESUMED, read_checkpoint, write_checkpoint
from diffbench.files.training_losses import COLUMNS, WINDOWS, read_losses, write_losses
from diffbench.stages import train
from diffbench.study.layout import is_result, lies_beside, losses_beside
from tests.test_train_stage import CPU, LAST, run, some_images, spec, spoiled, stopped


def test_windows_hold_means_and_cover_every_step_once(tmp_path: Path) -> None:
    losses = np.random.default_rng(0).uniform(0.5, 1, 5000).astype(np.float32)
    write_losses(tmp_path / "losses.csv", losses)
    table = np.genfromtxt(tmp_path / "losses.csv", delimiter=",", names=True)
    assert table.dtype.names == COLUMNS
    assert len(table) <= WINDOWS
    assert table["first_step"][0] == 1
    assert table["last_step"][-1] == 5000
    assert (table["first_step"][1:] == table["last_step"][:-1] + 1).all()
    for first, last, loss in table:
        assert loss == pytest.approx(losses[int(first) - 1 : int(last)].mean(), rel=1e-5)
    middle, loss = read_losses(tmp_path / "losses.csv")[-1]
    assert table["first_step"][-1] <= middle <= 5000
    assert loss == table["loss"][-1]


def test_windows_with_an_unknown_step_are_left_out(tmp_path: Path) -> None:
    losses = np.full(100, 1.0, np.float32)
    losses[:40] = np.nan
    write_losses(tmp_path / "losses.csv", losses)
    assert min(step for step, _ in read_losses(tmp_path / "losses.csv")) > 40


def test_a_table_that_is_none_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    with pytest.raises(DiffbenchError, match="no losses were recorded"):
        read_losses(path)
    path.write_text("first_step,last_step,loss\n1,2\n")
    with pytest.raises(DiffbenchError, match=r"losses.csv: no table of losses"):
        read_losses(path)


def test_runs_leave_it_beside_a_checkpoint() -> None:
    checkpoint = Path("mlp-small/n32/classes/seed0/step100/checkpoint.pt")
    assert lies_beside(losses_beside(checkpoint).as_posix())
    assert not is_result(losses_beside(checkpoint).as_posix())


def expected_losses() -> list[float]:
    """Mean loss of every step of a run, without a stage around it."""
    images = some_images()
    trainer = train.fresh_trainer(spec(LAST), images, CPU)
    data = torch.from_numpy(images.train), torch.from_numpy(images.train_labels)
    return [float(step.losses.mean()) for step in trainer.run(*data, 0, LAST)]


def test_a_chain_of_segments_and_a_kill_leave_the_losses_of_one_run(tmp_path: Path) -> None:
    """The images of steps that are done are spoiled: nothing is trained twice."""
    whole, chain, killed = (tmp_path / name for name in ("whole", "chain", "killed"))
    run(whole / "out.pt", spec(LAST))
    run(chain / "3/out.pt", spec(3), chain / "state.pt")
    run(chain / "9/out.pt", spec(LAST), chain / "state.pt", spoiled(range(1, 4)))
    stopped(killed / "out.pt", spec(LAST), killed / "state.pt", 5)
    run(killed / "out.pt", spec(LAST), killed / "state.pt", spoiled(range(1, 6)))
    for folder in (whole, chain / "9", killed):
        steps, losses = zip(*read_losses(folder / "losses.csv"), strict=True)
        assert steps == tuple(range(1, LAST + 1))
        assert losses == pytest.approx(expected_losses(), rel=1e-5)
    assert len(read_losses(chain / "3/losses.csv")) == 3


def test_a_state_of_an_earlier_version_goes_on_without_the_losses_before(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    run(tmp_path / "3/out.pt", spec(3), state)
    held = {name: value for name, value in read_checkpoint(state, fields=RESUMED).items() if name != "losses"}
    write_checkpoint(state, held)
    run(tmp_path / "9/out.pt", spec(LAST), state)
    assert [step for step, _ in read_losses(tmp_path / "9/losses.csv")] == list(range(4, LAST + 1))
