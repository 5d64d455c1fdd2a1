"""Pages: one HTML file with one inlined Vega bundle, templates and figures; nothing is fetched.

A further page is a template that extends base.html and a call of `write_page`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from diffbench.files import store
from diffbench.report import theme
from diffbench.report.format import FILTERS

MAXIMUM_ROWS = 5000
"""Rows that one chart may show: more makes pages slow. Aggregate or leave settings out before."""


@dataclass(frozen=True)
class Figure:
    """A chart with its caption and the table beside it."""

    name: str  # of the element and of the CSV: letters, digits and dashes
    caption: str  # what is shown, how seeds and intervals are, what is undefined
    chart: Any  # an Altair chart of any kind, with title and description
    data: pd.DataFrame  # what the chart shows, at full precision

    def specification(self) -> dict[str, Any]:
        """The Vega-Lite specification. ValueError without title or description, or with too many rows."""
        specification = self.chart.to_dict()
        if not (specification.get("title") and specification.get("description")):
            raise ValueError(f"{self.name}: a chart needs a title and a description")
        if (rows := sum(map(len, specification.get("datasets", {}).values()))) > MAXIMUM_ROWS:
            raise ValueError(f"{self.name}: {rows} rows are more than {MAXIMUM_ROWS}; aggregate them first")
        return specification


def write_page(path: Path, template: str, figures: Sequence[Figure], **context: Any) -> None:
    """Render templates/`template` to `path`, and each figure's table to data/NAME.csv beside it.

    The template sees `context`, and the figures by name as `figures`: `{{ show(figures["name"]) }}` draws one.
    """
    environment = _environment()
    specifications = {figure.name: figure.specification() for figure in figures}
    for figure in figures:
        with store.atomic(path.parent / "data" / f"{figure.name}.csv") as temporary:
            figure.data.to_csv(temporary, index=False)
    html = environment.get_template(template).render(
        figures={figure.name: figure for figure in figures},
        specifications=inline_json(specifications),
        bundle=Markup(vega_bundle()) if figures else "",
        style=_source(environment, "style.css"),
        script=_source(environment, "page.js"),
        **context,
    )
    with store.atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def inline_json(value: Mapping[str, Any]) -> Markup:
    """JSON that may stand inside a script element: no "<" can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


@lru_cache
def vega_bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script that defines window.vegaEmbed."""
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    bundle = vl_convert.javascript_bundle(vl_version=version)  # pyright: ignore[reportCallIssue] (stub: no default)
    return bundle.replace("</script", "<\\/script")


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("diffbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals["neutral"] = theme.NEUTRAL
    return environment


def _source(environment: Environment, name: str) -> Markup:
    """A stylesheet or script of the templates, as it is."""
    assert environment.loader
    return Markup(environment.loader.get_source(environment, name)[0])
