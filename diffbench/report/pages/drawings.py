"""Charts of pages that stand, as files to be printed: SVG, PNG and PDF by Vega, and the rows behind them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.files.output import atomic
from diffbench.report.pages.page import VEGA_LITE
from diffbench.study.layout import CHART_DATA

PIXELS_PER_UNIT = 2
"""Of a PNG, for each pixel of the chart on the page."""

ANEW = "make the report anew"


@dataclass(frozen=True)
class Drawing:
    """A chart of a page, as it stands after the reader's choices in its select boxes."""

    name: str  # page, chart and choices, as a file is called
    table: Path  # its rows, with those of all choices
    specification: dict[str, Any]


class _Page(HTMLParser):
    """Takes from a page its specifications, and what it says is undefined."""

    def __init__(self) -> None:
        super().__init__()
        self.specifications, self.whole = "", False
        self.undefined: list[str] = []
        self._target, self._section = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section":
            self._section = given.get("id") or ""
        if tag == "script" and given.get("id") == "specifications":
            self._target = "specifications"
        elif tag == "p" and given.get("class") == "undefined" and "id" not in given:
            self._target = "undefined"
            self.undefined.append(f"{self._section}: ")

    def handle_endtag(self, tag: str) -> None:
        self.whole |= tag == "html"
        if tag in ("script", "p"):
            self._target = ""

    def handle_data(self, data: str) -> None:
        if self._target == "specifications":
            self.specifications += data
        elif self._target == "undefined":
            self.undefined[-1] += data


def drawings_of(page: Path) -> tuple[list[Drawing], list[str]]:
    """The charts of a page, and what its sections say in words instead of others. DiffbenchError if it is damaged."""
    parser = _Page()
    try:
        parser.feed(page.read_text(encoding="utf-8"))
        specifications = json.loads(parser.specifications or "{}")
    except ValueError as error:
        raise DiffbenchError(f"{page}: not as it was written ({error}); {ANEW}") from None
    if not parser.whole:
        raise DiffbenchError(f"{page}: cut off, or no page; {ANEW}")
    drawings = []
    for name, specification in specifications.items():
        table = page.parent / CHART_DATA.format(name=name)
        drawings += [Drawing(*each) for each in _of_choices(f"{page.stem}-{name}", table, specification)]
    return drawings, [" ".join(words.split()) for words in parser.undefined]


def _of_choices(name: str, table: Path, specification: Mapping[str, Any]) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """One drawing for each combination of what select boxes offer; of other inputs what they show at first."""
    params = specification.get("params", [])
    bound = {param["name"]: param["bind"].get("options", [param.get("value")]) for param in params if "bind" in param}
    for values in product(*bound.values()):
        chosen = dict(zip(bound, values, strict=True))
        set_to = [param | ({"value": chosen[param["name"]]} if param["name"] in chosen else {}) for param in params]
        drawn = {**specification, "background": "white"} | ({"params": set_to} if params else {})
        yield "-".join(map(in_file_name, (name, *map(str, values)))), table, drawn


def in_file_name(text: str) -> str:
    """A text as part of a file's name: small letters, digits and dots, dashes for all else; charts.js does alike."""
    plain = text.lower().replace("σ", "sigma").replace("τ", "tau")
    return re.sub(r"^-|-$", "", re.sub(r"[^a-z0-9.]+", "-", plain))


def draw(drawing: Drawing, format_: str, path: Path) -> None:
    """Write a chart as one of FORMATS. UnwritableError where the disk refuses."""
    content = FORMATS[format_](drawing.specification)
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def _svg(specification: dict[str, Any]) -> bytes:
    import vl_convert

    return vl_convert.vegalite_to_svg(specification, vl_version=VEGA_LITE).encode()


def _png(specification: dict[str, Any]) -> bytes:
    import vl_convert

    return vl_convert.vegalite_to_png(specification, vl_version=VEGA_LITE, scale=PIXELS_PER_UNIT)


def _pdf(specification: dict[str, Any]) -> bytes:
    import vl_convert

    return vl_convert.vegalite_to_pdf(specification, vl_version=VEGA_LITE)


FORMATS: Mapping[str, Callable[[dict[str, Any]], bytes]] = {"svg": _svg, "png": _png, "pdf": _pdf}
"""What a chart can be written as, by the ending of the file."""
