"""Results of a study for programs: its tables as frames, its files as datasets that say in which units they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from diffbench.api.units import tell_units
from diffbench.bundled import nearest
from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.files import store
from diffbench.report.tables.results import plain_table
from diffbench.settings.granularity import TWIN
from diffbench.study import layout
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from diffbench.summary.manifest import read_manifest, read_vouched

if TYPE_CHECKING:
    import xarray as xr

KINDS = {
    name: kind
    for name, kind in layout.KINDS.items()
    if kind.stage not in layout.WHOLE and kind.pattern.endswith(".h5") and kind is not layout.TRAJECTORIES
}
"""Files that can be opened, by name; trajectories are deleted once they are measured."""


@dataclass(frozen=True)
class Results:
    """The results of a study, as its last summary knew them. Every read compares what it reads with its digests."""

    folder: Path
    study: Study
    manifest: Mapping[str, Any]
    """What the summary says of itself: counts of cells and files, versions, digests."""

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The factors of each cell of the study: model, train_size, granularity, seed, step, guidance.

        The guidance is its label, text, as in tables and paths.
        """
        return pd.DataFrame([cell.factors for cell in self.study.cells])

    @property
    def tables(self) -> list[str]:
        """Names of the tables."""
        return sorted(Path(name).stem for name in self.manifest["digests"] if name == layout.table(Path(name).stem))

    def table(self, name: str) -> pd.DataFrame:
        """A table: denoise, memorization, overlap and others, a row per estimate, with its interval, n and reason.

        Undefined values are NaN. DiffbenchError for another name, and for a table that is not what the summary wrote.
        """
        if name not in self.tables:
            raise DiffbenchError(f"{self.folder}: no table '{name}'; {nearest(name, self.tables)}")
        return plain_table(BytesIO(read_vouched(self.folder, self.manifest, layout.table(name))))

    @property
    def claims(self) -> list[dict[str, Any]]:
        """The five claims with their tests, as in claims.json."""
        return json.loads(read_vouched(self.folder, self.manifest, layout.CLAIMS))

    @property
    def laws(self) -> list[dict[str, Any]]:
        """The laws of the field likewise, as in laws.json."""
        return json.loads(read_vouched(self.folder, self.manifest, layout.LAWS))

    @cached_property
    def scaling(self) -> Scaling:
        """Between raw values, as `data` holds images, and scaled ones: scaled = (raw - mean) * scale."""
        return self._scaling(layout.DATA)

    def path(self, kind: str, **factors: Any) -> Path:
        """Where a file lies, whether or not it is there; arguments as of `open`."""
        return self.folder / self._kind(kind).of(self._factors(kind, factors))

    def open(self, kind: str, **factors: Any) -> "xr.Dataset":
        """A file as a dataset in memory: data, conditions, optimum, denoise, samples, memorization, overlap and others.

        factors: those that the path of such a file has, others do not matter, so that a row of `cells` may be given:
        `results.open("samples", **results.cells.iloc[0])`. Variables of pixels, lengths and noise levels have units
        "raw", "scaled" or "scaled^2", and attributes `mean` and `scale` that lead from one to the other: scaled =
        (raw - mean) * scale, and lengths in scaled units are lengths in raw ones times scale.
        DiffbenchError if the file is missing, damaged, or made by other settings than the study has.
        """
        of_kind, known = self._kind(kind), self._factors(kind, factors)
        opened = store.dataset(self.path(kind, **known), of_kind.stage, self._lineage.fingerprint(of_kind, known))
        tell_units(opened, of_kind, cache(self._scaling))
        return opened

    def _scaling(self, kind: Kind) -> Scaling:
        """Of the images in the data file, or of pictures that latents were decoded to."""
        header = store.header(self.folder / kind.pattern, kind.stage, self._lineage.fingerprint(kind, {}))
        return Scaling.of(header.attributes)

    @cached_property
    def _lineage(self) -> Lineage:
        return Lineage(self.study, self.manifest["contents"])

    def _kind(self, name: str) -> Kind:
        if name not in KINDS:
            raise DiffbenchError(f"no files '{name}' to open; {nearest(name, KINDS)}")
        kind = KINDS[name]
        if kind in (layout.PIXELS, layout.DECODED) and kind not in self.study.decoded_kinds:
            raise DiffbenchError(f"{self.folder}: no files '{name}': the study has no decoder")
        return kind

    def _factors(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the path. DiffbenchError for one that is missing, and for values that the study does not have."""
        fields = self._kind(kind).fields
        if missing := [name for name in fields if name not in given]:
            raise DiffbenchError(f"a file '{kind}' has {', '.join(fields)}; give {', '.join(missing)}")
        chosen = {name: f"{given[name]:g}" if isinstance(given[name], float) else given[name] for name in fields}
        for name, value in chosen.items():
            if name in self.cells and str(value).removesuffix(TWIN) not in (
                known := [str(each) for each in self.cells[name].unique()]
            ):
                raise DiffbenchError(f"{name} {value} is none of the study's: {', '.join(known)}")
        return chosen


def load_results(folder: Path | str) -> Results:
    """The results in a folder, such as results/NAME, of a study, an inspection, or several machines.

    DiffbenchError if there is no summary yet, or it is not as it was written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DiffbenchError(f"{folder}: no such folder; give that of a study's results, such as results/NAME")
    manifest = read_manifest(folder)
    return Results(folder, Study.parse(manifest["study"], str(folder / layout.MANIFEST)), manifest)
