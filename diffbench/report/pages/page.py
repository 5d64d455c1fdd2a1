"""Pages: one HTML file with one inlined Vega bundle, templates and figures; nothing is fetched.

A further page of a study is a template that extends site.html, a line in `site.SITE` and a call of `write_study_page`.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path

import altair as alt
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from diffbench.files.output import atomic, write_csv
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.theme import NEUTRAL
from diffbench.report.pages.site import navigation
from diffbench.report.tables.format import FILTERS
from diffbench.report.tables.results import Results
from diffbench.study import layout
from diffbench.study.layout import CHART_DATA

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
"""Version of Vega-Lite that charts are written for."""


def write_study_page(results: Results, page: str, figures: Sequence[Figure] = (), **context: object) -> None:
    """Write a page of a study beside its others, from the template of its name.

    It also sees study and manifest, the `title` of the report, and `site`, the links to all its pages.
    """
    path = results.pages / Path(layout.page(page)).name
    of_study = {"study": results.study, "manifest": results.manifest, "inspects": results.inspects}
    site: dict[str, object] = {"title": results.title, "site": navigation(results, page)}
    if not results.folder.is_absolute():  # as Snakemake knows it, and pages tell nobody's folders
        site["place"] = (results.folder / layout.page(page)).parent.as_posix()
    write_page(path, path.name, figures, **of_study, **site, **context)


def write_table(results: Results, name: str, rows: pd.DataFrame) -> None:
    """Write a table that pages of a study link to, where those of its charts lie."""
    write_csv(results.pages / CHART_DATA.format(name=name), rows)


def write_page(path: Path, template: str, figures: Sequence[Figure], **context: object) -> None:
    """Render templates/`template` to `path`, and each figure's table beside it.

    The template sees `context`, and the figures by name as `figures`: `{{ show(figures["name"]) }}` draws one, or says
    why it has nothing to draw.
    """
    environment = _environment()
    specifications = {figure.name: figure.specification() for figure in figures if not figure.is_empty}
    for figure in figures:
        write_csv(path.parent / figure.table, figure.data)
    code = vega_bundle() if specifications else ""
    bundle = Markup(code)  # ends no script element  # nosec B704
    html = environment.get_template(template).render(
        figures={figure.name: figure for figure in figures},
        specifications=inline_json(specifications) if specifications else "",
        bundle=bundle,
        page=path.stem,
        **context,
    )
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def inline_json(value: Mapping[str, object]) -> Markup:
    """JSON that may stand inside a script element: no "<" can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = text.replace("<", "\\u003c")
    return Markup(text)  # "<" alone could end the script  # nosec B704


@lru_cache
def vega_bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script that defines window.vegaEmbed."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # pyright: ignore[reportCallIssue] (stub: no default)
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
    environment.globals |= {"neutral": NEUTRAL, "source": partial(_source, environment)}
    return environment


def _source(environment: Environment, name: str) -> Markup:
    """A stylesheet or script of the templates, as it is: `{{ source("menu.js") }}`."""
    assert environment.loader
    text, *_ = environment.loader.get_source(environment, name)
    return Markup(text)  # a file of the package  # nosec B704
