"""The estimates that a report shows, of tables that may have tens of millions of rows: read when they are asked for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbench.files import table
from diffbench.study.study import Study
from diffbench.summary.rows import FACTORS

FIELDS = ["value", "low", "high", "n", "reason"]
LABELS = ["measure", "sigma"]
TEXTS = ("model", "granularity", "guidance")


class Stored:
    """A table of the summary, of which lies in memory where the rows of each file begin, and what they are of.

    files: FACTORS, start (number of its first row) and labels (which of `labels`); guidance nan for checkpoints.
    labels: LABELS of each row of a file, by its place in the file; nearly all files share one.
    """

    def __init__(self, path: Path, study: Study) -> None:
        """Read where the rows are; the guidance is put in words."""
        self._path = path
        words = {name.encode(): each.text for name, each in study.guidances.items()}
        self.labels = [pd.DataFrame({"measure": np.array([], object), "sigma": np.array([], float)})]
        files, known = [], {}
        for start, columns in table.blocks(path, [*FACTORS, *LABELS], alike=FACTORS):
            labels = tuple(columns[name].tobytes() for name in LABELS)
            if labels not in known:
                known[labels] = len(self.labels)
                measures = np.char.decode(columns["measure"], "utf-8").astype(object)
                self.labels.append(pd.DataFrame({"measure": measures, "sigma": columns["sigma"]}))
            files.append((*(columns[name][0] for name in FACTORS), start, known[labels]))
        frame = pd.DataFrame(files, columns=[*FACTORS, "start", "labels"], dtype=object)
        frame["guidance"] = frame["guidance"].map(words)
        for name in ("model", "granularity"):
            frame[name] = frame[name].map(bytes.decode)
        self.files = frame.astype({name: object if name in TEXTS else np.int64 for name in frame})

    def holds(self, measures: Collection[str]) -> bool:
        """Whether it has rows of some of these measures."""
        return any(not set(labels["measure"]).isdisjoint(measures) for labels in self.labels)

    @property
    def scalars(self) -> list[str]:
        """Measures that have no noise level."""
        named = (labels.loc[labels["sigma"].isna(), "measure"] for labels in self.labels)
        return list(dict.fromkeys(name for names in named for name in names))

    def rows(self, files: pd.DataFrame, measures: Collection[str]) -> pd.DataFrame:
        """Of rows of some measures in some of the files: FACTORS, LABELS and row, its number, rising."""
        parts = [files.iloc[:0].merge(self.labels[0].rename_axis("place").reset_index(), how="cross")]
        for number, group in files.groupby("labels"):
            labels = self.labels[number]  # pyright: ignore[reportArgumentType, reportCallIssue] (a number)
            labels = labels[labels["measure"].isin(list(measures))]
            parts.append(group.merge(labels.rename_axis("place").reset_index(), how="cross"))
        rows = pd.concat(parts)
        return rows.assign(row=rows["start"] + rows["place"])[[*FACTORS, *LABELS, "row"]].sort_values("row")

    def nearest(self, files: pd.DataFrame, measures: Collection[str]) -> pd.DataFrame:
        """The same of one row of each curve: that whose sigma is nearest in ln(sigma) to the file's `level`."""
        parts = [self.rows(files.iloc[:0], ())]
        for number, group in files.groupby("labels"):
            labels = self.labels[number]  # pyright: ignore[reportArgumentType, reportCallIssue] (a number)
            for measure, curve in labels[labels["measure"].isin(list(measures))].dropna().groupby("measure"):
                ratios = curve["sigma"].to_numpy() / group["level"].to_numpy()[:, None]
                chosen = curve.iloc[np.abs(np.log(ratios)).argmin(axis=1)]
                rows = group["start"].to_numpy() + chosen.index
                parts.append(group[FACTORS].assign(measure=measure, sigma=chosen["sigma"].to_numpy(), row=rows))
        return pd.concat(parts).sort_values("row")

    def read(self, rows: pd.DataFrame) -> pd.DataFrame:
        """FACTORS, LABELS and FIELDS of rows."""
        fields = table.rows(self._path, FIELDS, rows["row"].to_numpy())
        reasons, given = np.full(len(rows), "", object), fields["reason"] != b""
        reasons[given] = np.char.decode(fields["reason"][given], "utf-8")
        read = rows.drop(columns="row").assign(**fields | {"reason": reasons})
        return read.astype(dict.fromkeys((*TEXTS, "measure", "reason"), object))


class Estimates:
    """Estimates of all stages."""

    def __init__(self, tables: Sequence[Stored]) -> None:
        self._tables = tables

    def of(self, measures: Collection[str], settings: Iterable[Mapping[str, Any]] = ({},)) -> pd.DataFrame:
        """FACTORS, LABELS and FIELDS of some measures, of files with the factors of any of `settings`.

        A factor that a file leaves open, as those of checkpoints do the guidance, agrees with any.
        """
        settings, parts = list(settings), []
        for stored in self._holding(measures):
            keep = np.zeros(len(stored.files), bool)
            for factors in settings:
                keep |= agreeing(stored.files, factors)
            parts.append(stored.read(stored.rows(stored.files[keep], measures)))
        return pd.concat(parts, ignore_index=True)

    @property
    def scalars(self) -> list[list[str]]:
        """Measures without a noise level, by table."""
        return [stored.scalars for stored in self._tables]

    def nearest(self, measures: Collection[str], levels: pd.DataFrame) -> pd.DataFrame:
        """The same of one row of each curve: that nearest in ln(sigma) to a level. levels: FACTORS and level."""
        tables = self._holding(measures)
        parts = [each.read(each.nearest(each.files.merge(levels, on=FACTORS), measures)) for each in tables]
        return pd.concat(parts, ignore_index=True)

    def groups(self, measures: Collection[str], keys: Sequence[str]) -> pd.DataFrame:
        """The values of `keys`, of FACTORS and LABELS, that rows of some measures have, each combination once."""
        factors = [key for key in keys if key in FACTORS]
        firsts = ((stored, stored.files.drop_duplicates([*factors, "labels"])) for stored in self._holding(measures))
        rows = pd.concat([stored.rows(files, measures)[list(keys)] for stored, files in firsts])
        return rows.drop_duplicates()

    def _holding(self, measures: Collection[str]) -> Sequence[Stored]:
        """Tables with rows of some measures; one at least, so that no rows have columns all the same."""
        return [stored for stored in self._tables if stored.holds(measures)] or self._tables[:1]


def agreeing(rows: pd.DataFrame, factors: Mapping[str, Any]) -> pd.Series:
    """Which rows have these factors; those that a table lacks, or leaves open, agree with any."""
    keep = pd.Series(True, index=rows.index)
    for name, value in factors.items():
        if name in rows:
            keep &= (rows[name] == value) | rows[name].isna()
    return keep
