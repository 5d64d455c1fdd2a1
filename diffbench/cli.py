"""Command line: `python -m diffbench COMMAND ...`, one subcommand per stage, and those that people use by hand.

The options of a subcommand are the parameters of its module's `run`, or the fields of the one record that it takes:
`spec` is JSON text, paths are paths. Only the module that is asked for is imported, so that stages without a network
start without torch. argparse, since libraries that read signatures (tyro, cyclopts) take each job 45 ms to import.
"""

import argparse
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NoReturn, get_args, get_origin

from diffbench import __version__
from diffbench.bundled import nearest
from diffbench.conventions import DiffbenchError
from diffbench.files.cost import Cost
from diffbench.files.faults import UnusableFileError, mark
from diffbench.files.output import MAKE_ROOM, NO_ROOM, UnwritableError
from diffbench.files.surroundings import Log, ensure_home, plain_text, print_anything
from diffbench.study.layout import cost_of, root_of

STAGES = {
    "data": "split a data set into training pool and validation images",
    "pixels": "decode the latents of a study to pictures",
    "conditions": "label a training subset at one granularity",
    "train": "train one segment of a run",
    "optimum": "measure the denoising losses of the closed-form optimum",
    "denoise": "measure the denoising losses of a checkpoint",
    "sample": "draw the samples and trajectories of a cell",
    "decode": "decode the samples of a cell to pictures",
    "plant": "make the samples of a control without a denoiser",
    "features": "fit the space in which the quality of samples is measured",
    "memorization": "measure memorization among the samples of a cell",
    "overlap": "measure the overlap of trajectories with noised data",
    "lab": "compute one topic of the 2D laboratory",
    "equivalent": "express a trained model's error in the plane as that of a closed form",
    "consistency": "compare the samples of a run and its twin",
    "summary": "gather the files of a study into tables",
    "report": "make the report of a study",
}
GROUPS = {
    "studies": {
        "init": "write a commented study into an empty folder, to start from",
        "studies": "list the studies that come along",
        "plan": "print what a study means and costs, without doing anything",
        "run": "make the results of a study and its report",
        "status": "print what of a study is done, running, failed and left",
    },
    "models and samples made elsewhere, without a study": {
        "inspect": "measure one model that was trained elsewhere, without a study",
        "audit": "find copies of training images among samples in array files or folders",
    },
    "results to show": {
        "figures": "write every chart of a report as SVG, PNG and PDF, with the rows behind it",
        "compare": "show studies, inspections or single cells side by side, paired where they share images",
    },
    "results that were moved": {
        "adopt": "let results that were copied be left as they are where they are what a study asks for",
        "verify": "read every file of results that were moved or stored, and say what is wrong with them",
        "merge": "bring the results of several machines, or of studies that share cells, together in one folder",
        "crate": "pack results and a description of each file into one archive to publish, an RO-Crate",
    },
    "to look up": {
        "circle": "print the peak of the denoising gap on the symmetric circle",
        "schema": "print the JSON schema of study files",
    },
}
"""What people type, by what for."""
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}

STOPPED = 130
"""The exit status of a command that Ctrl-C ended."""

HANDING_ON, HANDED_ON = "run", "snakemake"
"""The command that hands on what stands after --, and what takes it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand. Returns its exit code, or 1 for an error that the user can mend, told in one line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    options: dict[str, Any] = {}
    command = arguments[0]
    print_anything()
    ensure_home()
    try:
        options = _options(command, arguments)
        action = options.pop("action")
        code = action(**options)
        _tell_cost(options.get("out"))
        return code or 0
    except UnusableFileError as error:
        _mark(error, options.get("out"))
        return _failed(command, str(error))
    except DiffbenchError as error:
        return _failed(command, str(error))
    except KeyboardInterrupt:
        if command in STAGES:  # how a job ended is told by the signal, and where it was by its log
            raise
        print(f"diffbench {command}: stopped", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # whoever read what is printed, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's; importing it for its name would cost seconds
            raise
        remedy = "stop what else runs on that GPU, or take a smaller model, a larger GPU or device: cpu"
        return _failed(command, f"out of GPU memory ({' '.join(str(error).split())}); {remedy}")
    except OSError as error:  # of files that have no place of their own in the results
        if error.errno not in NO_ROOM:
            raise
        place = error.filename or "the log or the folder of temporary files"
        return _failed(command, f"{place}: disk full; {MAKE_ROOM}")
    return 0


def _options(command: str, arguments: list[str]) -> dict[str, Any]:
    """What the command line says, by name. DiffbenchError for a command or an option that there is not."""
    known = COMMANDS | STAGES
    if command not in known and not command.startswith("-"):
        raise DiffbenchError(f"no such command; {nearest(command, known)} (diffbench --help)")
    handed_on: list[str] = []
    if command == HANDING_ON and "--" in arguments:
        place = arguments.index("--")
        arguments, handed_on = arguments[:place], arguments[place + 1 :]
    parsed, unknown = _parser(command).parse_known_args(_joined(arguments))
    if unknown:
        remedy = f"diffbench {command} --help lists those that it takes"
        if command == HANDING_ON:
            remedy += "; options of Snakemake stand after --, as in diffbench run smoke -- --dry-run"
        raise DiffbenchError(f"{' '.join(unknown)}: no option of this command; {remedy}")
    return vars(parsed) | ({HANDED_ON: handed_on} if command == HANDING_ON else {})


def _joined(arguments: Sequence[str]) -> list[str]:
    """Options with "=" before a value such as -1,1, which argparse would take for an option itself."""
    joined: list[str] = []
    for argument in arguments:
        if joined and re.match(r"--[a-z-]+$", joined[-1]) and re.match(r"-\.?\d", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _tell_cost(out: Path | None) -> None:
    """Leave what this process took beside a result. Where that cannot be, the result stands all the same."""
    path = cost_of(out.absolute()) if out else None
    if path is None:
        return
    try:
        Cost.of_this_process().write(path)
    except UnwritableError as error:
        print(f"note: {error}; what this job took is not known", file=Log())


def _mark(error: UnusableFileError, out: Path | None) -> None:
    """Mark a file that cannot be used, if it is of the results that the job writes to."""
    results = root_of(out.absolute()) if out else None
    if results is not None and error.path.absolute().is_relative_to(results):
        mark(error)


def _failed(command: str, text: str) -> int:
    line = f"diffbench {command}: error: {text}"
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:  # standard error is a log on a full disk: Snakemake shows what comes on standard output
        print(line)
    return 1


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, as all others are told."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}; {self.prog} --help says more\n")


def _parser(command: str) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser("diffbench", "diffbench COMMAND ...", description=_overview(), formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"diffbench {__version__}")
    commands = parser.add_subparsers(prog="diffbench", required=True, metavar="COMMAND", help=argparse.SUPPRESS)
    if command in COMMANDS | STAGES:
        text = (COMMANDS | STAGES)[command]
        subparser = commands.add_parser(command, description=f"{text[0].upper()}{text[1:]}.")
        package = "commands" if command in COMMANDS else "stages"
        _add_command(subparser, importlib.import_module(f"diffbench.{package}.{command}").run, command in STAGES)
    return parser


def _overview() -> str:
    """What there is, for the help: what people type first, and stages apart."""
    groups = GROUPS | {"stages, which the workflow calls": STAGES}
    parts = [
        "\n".join([f"{title}:", *(f"  {name:<14}{text}" for name, text in group.items())])
        for title, group in groups.items()
    ]
    return "\n\n".join(["Measure whether diffusion models memorize. diffbench COMMAND --help says more.", *parts])


def _add_command(parser: argparse.ArgumentParser, run: Callable[..., int | None], of_stage: bool) -> None:
    record = _record_of(run)
    _add_options(parser, record or run, of_stage)
    parser.set_defaults(action=partial(_call, run) if record is None else lambda **options: run(record(**options)))


def _call(run: Callable[..., int | None], **options: Any) -> int | None:
    """Call `run` with values by the names of its parameters."""
    parameters = inspect.signature(run).parameters.values()
    places = [options.pop(each.name) for each in parameters if each.kind is inspect.Parameter.POSITIONAL_ONLY]
    further = [
        part for each in parameters if each.kind is inspect.Parameter.VAR_POSITIONAL for part in options.pop(each.name)
    ]
    return run(*places, *further, **options)


def _record_of(run: Callable[..., int | None]) -> Callable[..., Any] | None:
    """The record whose fields are a subcommand's options, where `run` takes such a one alone."""
    kinds = [parameter.annotation for parameter in inspect.signature(run).parameters.values()]
    records = [kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)]
    return records[0] if len(kinds) == 1 and records else None


def _add_options(parser: argparse.ArgumentParser, action: Callable[..., Any], of_stage: bool) -> None:
    """Add an option per parameter of `action`: a flag for a bool, else one with a value; its help is that of Annotated.

    An optional one of a stage may stand without its value, as where a rule's input is empty. What `action` takes by
    position alone is an argument without a name; a list takes one or more.
    """
    for name, parameter in inspect.signature(action).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:  # what stands after --: said below all others
            parser.epilog = get_args(parameter.annotation)[1]
            continue
        kind, default, text = parameter.annotation, parameter.default, None
        if get_origin(kind) is Annotated:
            kind, text = get_args(kind)
        if isinstance(kind, UnionType):
            kind = get_args(kind)[0]
        several = get_origin(kind) is list
        if several:
            (kind,) = get_args(kind)
        converter: Any = kind
        if hasattr(kind, "parse_json"):
            converter = partial(_parsed, kind.parse_json, f"--{name}")
        option = f"--{name.replace('_', '-')}"
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            optional = default is not inspect.Parameter.empty
            count: dict[str, Any] = (
                {"nargs": "+"} if several else {"nargs": "?", "default": default} if optional else {}
            )
            parser.add_argument(name, type=converter, metavar=name.upper(), help=text, **count)
        elif kind is bool:
            parser.add_argument(option, action="store_true", help=text)
        elif default is inspect.Parameter.empty:
            parser.add_argument(option, type=converter, required=True, help=text)
        else:
            left_out: dict[str, Any] = {"nargs": "?", "const": default} if of_stage else {}
            parser.add_argument(option, type=converter, default=default, help=text, **left_out)


def _parsed(parse: Callable[[str, str], Any], origin: str, text: str) -> Any:
    return parse(plain_text(text), origin)
