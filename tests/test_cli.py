"""The command line: every subcommand has help, and every mistake is one line on stderr with exit code 1."""

import json

import pytest

from diffbench.cli import COMMANDS, STAGES, main


@pytest.mark.parametrize("command", [*STAGES, *COMMANDS])
def test_every_subcommand_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    assert f"usage: diffbench {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "--spec", '{"name": "digits", "x": 1}', "--out", "x.h5"], "--spec: key 'x' is unknown"),
        (["data", "--spec", "{", "--out", "x.h5"], "--spec: key '(top level)': invalid JSON"),
        (["data", "--spec", '{"name": "digts"}', "--out", "x.h5"], "unknown data set 'digts'"),
        (["plan", "--study", "none.yaml"], "none.yaml: cannot be read: No such file or directory"),
        (["plan"], "config/config.yaml: no such file here; name a study, as in --study study.yaml"),
        (["circle", "--points", "21", "--delta", "1"], "21 is odd"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"diffbench {arguments[0]}: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_option_of_a_stage_alone_may_lack_its_value(capsys, tmp_path):
    """As where a rule's input is empty; what people type would be measured without what they meant to give."""
    with pytest.raises(SystemExit) as ended:
        main(["inspect", "--model", "m:f", "--train", "a", "--held-out", "b", "--out", "o", "--weights"])
    assert ended.value.code == 2
    assert "argument --weights: expected one argument" in capsys.readouterr().err
    assert main(["features", "--pixels", "--spec", "{", "--data", "d.h5", "--out", str(tmp_path / "x.h5")]) == 1
    assert "--spec: key '(top level)': invalid JSON" in capsys.readouterr().err


def test_ctrl_c_ends_a_command_in_a_line_and_a_stage_by_the_signal(capsys, monkeypatch):
    from diffbench.commands import studies
    from diffbench.stages import data

    def interrupt(**options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(studies, "studies", interrupt)
    assert main(["studies"]) == 130
    assert capsys.readouterr().err == "diffbench studies: stopped\n"
    monkeypatch.setattr(data, "source", lambda spec: interrupt())
    with pytest.raises(KeyboardInterrupt):
        main(["data", "--spec", '{"name": "digits"}', "--out", "x.h5"])


def test_a_stage_that_runs_out_of_gpu_memory_says_so_in_one_line(capsys, monkeypatch, tmp_path):
    import torch

    from diffbench.stages import data

    def exhaust(spec: str, out: str) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the manual")

    monkeypatch.setattr(data, "run", exhaust)
    assert main(["data", "--spec", "x", "--out", str(tmp_path / "x.h5")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "error: out of GPU memory (CUDA out of memory. Tried to allocate 2 GiB." in error
    assert "smaller model" in error


def test_plan_does_nothing_but_print(capsys, tmp_path, monkeypatch):
    study = tmp_path / "study.yaml"
    study.write_text(json.dumps({"name": "t", "steps": [10], "sweeps": [{"guidance": [0, 1]}]}))
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "--study", str(study)]) == 0
    printed = capsys.readouterr().out
    assert "2 runs, 2 checkpoints, 4 cells" in printed
    assert "4 sample" in printed
    assert "estimate: " in printed
    assert "measured here: mlp-medium: steps of 128 images" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]
