"""Links of texts that stand in the repository and are included here: they lead to the page that shows the same file."""

from typing import Any
from xml.etree.ElementTree import Element

from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor

PAGES = {
    "README.md": "/index.md",
    "config/README.md": "/guide/study-files.md",
    "results/README.md": "/guide/results.md",
    "CONTRIBUTING.md": "/contributing.md",
    "CHANGELOG.md": "/changelog.md",
    "docs/": "/index.md",
    "docs/index.md": "/index.md",
    "workflow/report/report.png": "/assets/report.png",
}
"""File of the repository -> its page, from the root of the documentation."""

PLAIN = ("CITATION.cff", "LICENSE", "examples/")
"""What is linked in the repository and has no page: its name stays, as code."""


class _Relink(Treeprocessor):
    def run(self, root: Element) -> None:
        for element in root.iter():
            key = {"a": "href", "img": "src"}.get(element.tag, "")
            target = element.get(key, "")
            if target in PAGES:
                element.set(key, PAGES[target])
            elif element.tag == "a" and target.startswith(PLAIN):
                element.tag = "code"
                element.attrib.clear()


class _Links(Extension):
    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        md.treeprocessors.register(_Relink(md), "relink", 5)  # before MkDocs, which has 0, looks at links


def on_config(config: Any) -> Any:
    """Add the extension to those that MkDocs hands to Markdown."""
    config.markdown_extensions.append(_Links())
    return config
