"""What the page of the architecture shows, made from the source at every build: layers and rules."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "docs/study.yaml"
PLACE = "<p>RULE GRAPH</p>"
LOOK = """
    graph [bgcolor=transparent, rankdir=LR, nodesep=0.25, ranksep=0.45];
    node [shape=box, style=rounded, fontname="sans-serif", fontsize=12, penwidth=1.2, height=0.35];
    edge [arrowsize=0.6];
"""


def on_files(files: Any, config: Any) -> Any:
    """Add the screenshot of the README."""
    files.append(File.generated(config, "assets/report.png", abs_src_path=str(ROOT / "workflow/report/report.png")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of layers in its place."""
    return markdown.replace("\nLAYERS\n", f"\n{_layers()}\n")


def _layers() -> str:
    """Rooms of the package, highest first, from the contract that lint-imports checks."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    rows = ["| Layer | Room | What it is |", "|---|---|---|"]
    for level, layer in enumerate(contract["layers"]):
        for name in layer.split(" | "):
            name = name.removeprefix("diffbench.")
            path = ROOT / "diffbench" / name
            source, page = (path / "__init__.py", f"{name}/index") if path.is_dir() else (Path(f"{path}.py"), name)
            height = len(contract["layers"]) - level
            said = " ".join((ast.get_docstring(ast.parse(source.read_text())) or "").split("\n\n")[0].split())
            rows.append(f"| {height} | [`{name}`](api/{page}.md) | {said.replace('|', '&#124;')} |")
    return "\n".join(rows)


def on_page_content(content: str, **_: Any) -> str:
    """Put the graph in its place."""
    return content.replace(PLACE, f'<div class="graph">{_drawn()}</div>') if PLACE in content else content


def _drawn() -> str:
    if shutil.which("dot") is None:
        raise PluginError("the graph of rules needs graphviz: apt-get install graphviz")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        command += ["--workflow-profile", str(ROOT / "profiles/default")]
        dot = _output([*command, "--configfile", str(STUDY), "--rulegraph", "dot"])
    labels = re.findall(r'^\s*(\d+)\[label = "(\w+)"', dot, re.MULTILINE)
    edges = re.findall(r"^\s*(\d+) -> (\d+)", dot, re.MULTILINE)
    nodes = "\n".join(f'{number} [label="{name}"];' for number, name in labels)
    arrows = "\n".join(f"{start} -> {end};" for start, end in edges if start != end)
    reduced = _output(["tred"], f"digraph {{\n{nodes}\n{arrows}\n}}").strip().removesuffix("}")
    loops = "\n".join(f"{start} -> {end};" for start, end in edges if start == end)
    svg = _output(["dot", "-Tsvg"], reduced.replace("{", "{" + LOOK, 1) + loops + "\n}")
    svg = re.sub(r"<title>.*?</title>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = svg.replace('"black"', '"currentColor"').replace("<svg", '<svg role="img" aria-label="Graph of rules"', 1)
    return "\n".join(line for line in svg.splitlines() if line.strip())


def _output(command: list[str], given: str = "") -> str:
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
    if done.returncode:
        raise PluginError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done.stdout
