"""A page for every module of the package, from its source: a module that is new or moves needs no edit here."""

import ast
from pathlib import Path

import mkdocs_gen_files

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "diffbench"
FRONT = "---\nsearch: {boost: 0.3}\n---\n\n"
"""What explains comes first in the search, then code."""


def first_line(path: Path) -> str:
    """What a module says of itself, up to its first full stop."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].split())
    return text.split(". ")[0]


def escaped(text: str) -> str:
    """Text in which Markdown finds nothing."""
    return "".join("\\" + sign if sign in "\\`*_{}[]<>#|" else sign for sign in text)


def page_of(path: Path) -> str:
    """The page of a module or package, below api/."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "/".join((*parts[1:-1], "index") if parts[-1] == "__init__" else parts[1:]) + ".md"


def listed(folder: Path) -> list[Path]:
    """Modules and packages directly in a folder."""
    found = [path / "__init__.py" if path.is_dir() else path for path in folder.iterdir()]
    kept = [path for path in found if path.suffix == ".py" and path.exists() and path != folder / "__init__.py"]
    return sorted(
        (path for path in kept if path.name != "__main__.py"), key=lambda path: (path.name != "__init__.py", str(path))
    )


def write(folder: Path, nav: list[str], depth: int) -> None:
    """Pages of a folder and what is below it."""
    name = ".".join(folder.relative_to(ROOT).parts)
    rows = []
    for path in listed(folder):
        package = path.name == "__init__.py"
        own = path.parent if package else path.with_suffix("")
        nav.append(f"{'    ' * depth}* [{own.name}]({page_of(path)})")
        target = Path(page_of(path)).relative_to(Path(page_of(folder / "__init__.py")).parent)
        rows.append(f"| [`{own.name}`]({target}) | {escaped(first_line(path))} |")
        if package:
            write(own, nav, depth + 1)
            continue
        with mkdocs_gen_files.open(f"api/{page_of(path)}", "w") as page:
            module = ".".join(own.relative_to(ROOT).parts)
            page.write(f"{FRONT}::: {module}\n")
    with mkdocs_gen_files.open(f"api/{page_of(folder / '__init__.py')}", "w") as page:
        table = "\n".join(["| Module | What it is |", "|---|---|", *rows])
        page.write(f"# `{name}`\n\n{escaped(first_line(folder / '__init__.py'))}\n\n{table}\n")


nav = ["* [diffbench](index.md)"]
write(PACKAGE, nav, 0)
with mkdocs_gen_files.open("api/SUMMARY.md", "w") as summary:
    summary.write("\n".join(nav) + "\n")
