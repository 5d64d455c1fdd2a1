"""Stages run one after the other in this process, without Snakemake: what they read is what their `run` asks for.

A parameter of `run` that bears the name of a kind of file (`diffbench.study.layout`) is the path of such a file; so the
order of stages, and what each of them reads, stand nowhere else than in the stages themselves. Stages that compare two
files of a kind (consistency), or call one by another name (equivalent), have no part in this.
"""

import importlib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from diffbench.study.layout import KINDS, Kind
from diffbench.study.lineage import Lineage


def in_order(stages: Iterable[str], also: Collection[Kind] = ()) -> list[str]:
    """These stages and all that they depend on, each after those whose files it reads.

    also: kinds of files that are read where a stage can do without them.
    """
    graph: dict[str, set[str]] = {}
    waiting = set(stages)
    while waiting:
        stage = waiting.pop()
        graph[stage] = {KINDS[name].stage for name in _files_read(stage, also)}
        waiting |= graph[stage] - set(graph)
    return list(TopologicalSorter(graph).static_order())


def run_stage(stage: str, lineage: Lineage, factors: Mapping[str, Any], results: Path) -> None:
    """Run a stage of a study on the files with these factors inside `results`.

    Optional files are given where they hold what the study's latents are decoded to.
    """
    run = run_of(stage)
    parameters = inspect.signature(run).parameters
    made = [kind for kind in KINDS.values() if kind.stage == stage]
    paths = {
        name: results / KINDS[name].of(factors)
        for name in (*_files_read(stage, lineage.study.decoded_kinds), *_files_beside(stage))
    }
    device = {"device": lineage.study.device} if "device" in parameters else {}
    spec = parameters["spec"].annotation.parse_json(lineage.spec_json(stage, factors), "spec")
    run(spec=spec, out=results / made[0].of(factors), **paths, **device)


def run_of(stage: str) -> Callable[..., None]:
    """The function that a stage is."""
    return importlib.import_module(f"diffbench.stages.{stage}").run


def _named_files(stage: str, also: Collection[Kind] = ()) -> list[str]:
    """Parameters that are files of the results, without which a stage cannot run, or of a kind in `also`."""
    parameters = inspect.signature(run_of(stage)).parameters.values()
    named = [each for each in parameters if each.name in KINDS]
    return [each.name for each in named if each.default is each.empty or KINDS[each.name] in also]


def _files_read(stage: str, also: Collection[Kind]) -> list[str]:
    return [name for name in _named_files(stage, also) if KINDS[name].stage != stage]


def _files_beside(stage: str) -> list[str]:
    """Files that a stage makes beside its `out`."""
    return [name for name in _named_files(stage) if KINDS[name].stage == stage]
