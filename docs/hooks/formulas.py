"""Formulas as MathML, which browsers draw themselves, in a font that comes with the site: nothing is fetched.

Pages write LaTeX between dollar signs; pymdownx.arithmatex marks it, and here it is translated. The font is STIX Two
Math (Open Font License), as the package ziamath carries it.
"""

import html
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
DETAILS = (
    ("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"),  # a tilde that relates
    ("<mo>&#x02016;</mo>", '<mo stretchy="false">&#x02016;</mo>'),  # bars of norms: else the left one grows alone
    ("<mi>ln</mi><mi>", '<mi>ln</mi><mspace width="0.17em"/><mi>'),
)
STRAY = re.compile(r'class="arithmatex"|merror')


def on_files(files: Any, config: Any) -> Any:
    """Add the font."""
    found = find_spec("ziamath")
    if found is None or found.origin is None:
        raise PluginError("formulas need the font of the package ziamath: pip install -e '.[docs]'")
    font = Path(found.origin).with_name("fonts") / "STIXTwoMath-Regular.ttf"
    files.append(File.generated(config, "assets/math.ttf", abs_src_path=str(font)))
    return files


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Replace the formulas of a page; one that cannot be translated fails the build."""

    def translated(found: re.Match[str]) -> str:
        tag, opening, latex = found.groups()
        display = "block" if opening == "[" else "inline"
        try:
            math = convert(html.unescape(latex), display=display)
        except Exception as error:  # the library has no common class of errors
            raise PluginError(f"{page.file.src_uri}: {latex.strip()}: {type(error).__name__} {error}") from None
        for before, after in DETAILS:
            math = math.replace(before, after)
        return f'<{tag} class="formula">{math}</{tag}>'

    done = FORMULA.sub(translated, content)
    if STRAY.search(done):
        raise PluginError(f"{page.file.src_uri}: a formula was not translated")
    return done
