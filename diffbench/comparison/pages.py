"""The pages of a comparison: its sides in one leaderboard, their differences, and their curves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from diffbench.comparison.charts import differences_over_noise, side_curves, sides_by_step, sides_over_noise
from diffbench.comparison.paired import LARGEST, Pair, across, differences_of, pairs_of, places_of, table
from diffbench.comparison.sides import STUDY, Side, side_by_side, unlike
from diffbench.files.output import write_csv
from diffbench.files.provenance import versions
from diffbench.report.charts.figure import Figure
from diffbench.report.pages.drawings import in_file_name
from diffbench.report.pages.leaderboard import WITHOUT_SCRIPTS
from diffbench.report.pages.page import write_page
from diffbench.report.pages.site import Link
from diffbench.report.tables.board import Board, Column
from diffbench.report.tables.board import table as table_of
from diffbench.report.tables.catalog import MEASURES, Measure, in_order
from diffbench.report.tables.packed import compressed, packed_alone
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import SETTING, TITLES, value_text
from diffbench.settings.report import ReportSettings
from diffbench.study.layout import CHART_DATA
from diffbench.summary.rows import FACTORS

PAGES = {
    "index": ("Overview", "What is compared, and where it differs"),
    "leaderboard": ("Leaderboard", "Every setting of all sides by every measure"),
    "differences": ("Differences", "What each setting differs by from that of the first side which it is held against"),
    "curves": ("Curves", "Sides over the noise level and over training steps"),
}
"""Pages in the order of the navigation: title, and what each answers."""

LISTED = 30
"""Differences that the first page names."""


class Apart(NamedTuple):
    """A difference whose interval leaves out 0."""

    study: str
    pair: str
    measure: Measure
    shown: Shown
    units: str


def write_comparison(folder: Path, sides: Sequence[Side]) -> pd.DataFrame:
    """Write the pages into `folder`, and return the rows of all differences, of `paired.table`."""
    board, pairs, width = side_by_side(sides), pairs_of(sides), ReportSettings().chart_width
    compared, names = pairs[:LARGEST], [side.name for side in sides]
    rows = _differences(compared, board)
    site = _Site(folder, sides)
    site.write(
        "index",
        (),
        unlike=list(unlike(sides)),
        across=list(_across(sides)),
        pairs=len(pairs),
        compared=len(compared),
        units=rows["units"].value_counts().to_dict() if len(rows) else {},
        table=CHART_DATA.format(name="differences"),
        **_told(rows),
    )
    site.write_board("leaderboard", board)
    site.write_board("differences", _as_board(rows, board))
    charts = [
        sides_over_noise(side_curves(compared), names, width),
        differences_over_noise(rows, names, width),
        sides_by_step(board, names, width),
    ]
    site.write("curves", [chart for chart in charts if chart])
    write_csv(folder / CHART_DATA.format(name="leaderboard"), table_of(board, pd.DataFrame()))
    write_csv(folder / CHART_DATA.format(name="differences"), rows)
    return rows


def _across(sides: Sequence[Side]) -> Iterator[str]:
    """Of each other side the factors in which it need not agree with the first."""
    first, *others = sides
    for other in others:
        for name, (one, two) in across(first, other).items():
            yield f"{TITLES[name]}: {value_text(one)} on {first.name}, {value_text(two)} on {other.name}"


def _differences(pairs: Sequence[Pair], board: Board) -> pd.DataFrame:
    places = places_of(board)
    tables = [table(pair, differences_of(pair, board, places)) for pair in pairs]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


class _Site:
    """Writes pages that know the sides and each other."""

    def __init__(self, folder: Path, sides: Sequence[Side]) -> None:
        self._folder, self._sides = folder, sides
        self._title = " and ".join(side.name for side in sides)

    def write(self, page: str, figures: Sequence[Figure] = (), **context: object) -> None:
        links = [Link(title, f"{name}.html", answers, name == page) for name, (title, answers) in PAGES.items()]
        shared = {"title": self._title, "site": links, "sides": self._sides, "versions": versions()}
        write_page(self._folder / f"{page}.html", f"comparison-{page}.html", figures, **shared, **context)

    def write_board(self, page: str, board: Board) -> None:
        groups: dict[str, list[Measure]] = {}
        for column in board.columns:
            groups.setdefault(column.measure.group, []).append(column.measure)
        shown = [column for column in board.columns if column.measure.shown]
        factors = [str(name) for name in board.settings]
        self.write(
            page,
            groups=groups,
            undefined=board.undefined,
            factors={name: TITLES.get(name, name) for name in factors},
            shown=[column.measure for column in shown],
            plain=[
                ([value_text(value) for value in setting], [show(column.settings.iloc[at]) for column in shown])
                for at, setting in enumerate(board.settings.head(WITHOUT_SCRIPTS).itertuples(index=False, name=None))
            ],
            packed=Markup(compressed(_packed(board, in_file_name(self._title)))),  # base64  # nosec B704
            table=CHART_DATA.format(name=page),
        )


def _packed(board: Board, name: str) -> dict[str, Any]:
    """A board with the values of its factors: numbers rising, all else as it stands."""
    factors = [STUDY, *(factor for factor in FACTORS if factor in board.cells)]
    values = {factor: list(dict.fromkeys(board.cells[factor].tolist())) for factor in factors}
    numbers = ("train_size", "seed", "step")
    packed = packed_alone(board, name, {key: sorted(own) if key in numbers else own for key, own in values.items()})
    columns = {column.measure.name: column.settings for column in board.columns}
    if {"memorized_fraction", "memorized_floor"} <= columns.keys() and "seed" in factors:
        above = columns["memorized_fraction"]["low"] > columns["memorized_floor"]["high"]
        packed["settings"]["memorizes"] = above.astype(int).tolist()
    return packed


def _as_board(rows: pd.DataFrame, board: Board) -> Board:
    """Differences of measures without a noise level: a row per setting of another side, a column per measure."""
    keys = [STUDY, *SETTING]
    if rows.empty:
        return Board(pd.DataFrame(columns=keys), pd.DataFrame(columns=keys), (), ())
    scalars = rows[rows["sigma"].isna()]
    settings = scalars[keys].drop_duplicates().reset_index(drop=True)
    measures = {column.measure.name: column.measure for column in board.columns}
    columns, undefined = [], []
    for measure in in_order([name for name in measures if name in set(scalars["measure"])]):
        own = scalars[scalars["measure"] == measure.name]
        told = own["units"].where(own["reason"] == "", own["reason"])
        if own["value"].notna().any():
            plain = replace(measure, floor="", unit=False, better="")
            columns.append(Column(plain, settings.merge(own.assign(reason=told), how="left", on=keys), own))
        else:
            undefined.append((measure, str(told.iloc[0])))
    return Board(settings, settings, tuple(columns), tuple(undefined))


def _told(rows: pd.DataFrame) -> Mapping[str, object]:
    """Differences with an interval, whether all are 0, those apart from 0, clearest first, and others without one."""
    if rows.empty:
        return {"told": 0, "zero": False, "apart": [], "untold": 0}
    scalars = rows[rows["sigma"].isna() & rows["low"].notna()]
    untold = rows[rows["sigma"].isna() & rows["low"].isna() & rows["value"].notna() & (rows["value"] != 0)]
    apart = scalars[(scalars["low"] > 0) | (scalars["high"] < 0)]
    clear = (apart["value"].abs() / (apart["high"] - apart["low"])).sort_values(ascending=False, kind="stable")
    listed = [
        Apart(row[STUDY], row["pair"], MEASURES[row["measure"]], show(row), row["units"])
        for _, row in apart.loc[clear.index].head(LISTED).iterrows()
        if row["measure"] in MEASURES
    ]
    return {"told": len(scalars), "zero": bool((scalars["value"] == 0).all()), "apart": listed, "untold": len(untold)}
