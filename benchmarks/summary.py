"""What the summary and the report of a large study take: CPU seconds and peak memory, the first time and again.

The files are made up: of each kind one with as many measures, noise levels and reasons as a real one has, whose numbers
are changed for every cell. "Again" means after the measures of one cell were made anew.

OMP_NUM_THREADS=1 python benchmarks/summary.py [--cells 10000] [--smoke] [--keep FOLDER]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from diffbench.conventions import karras_sigmas, log_sigmas
from diffbench.files import store
from diffbench.files.estimates import Estimate, curve_variables, scalar_variables, undefined
from diffbench.files.hash_cache import RACY_NS
from diffbench.files.output import written
from diffbench.files.sealed import opened, seal
from diffbench.measures.attacks import ATTACKS
from diffbench.measures.battery import extraction_variables
from diffbench.measures.extraction import extraction
from diffbench.stages.chain import run_stage
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study

SHAPES = {20: (1, 2, 1), 100: (1, 2, 5), 1000: (2, 10, 5), 10_000: (5, 20, 10), 100_000: (10, 50, 20)}
"""Cells -> seeds, milestones and training sizes; there are two granularities, and five values of guidance."""

SMOKE = 20
SCALARS = ["memorized_fraction", "memorized_floor", "calibrated_fraction", "fd", "fd_floor", "mem_auc", "mem_auc_floor"]
SCALARS += ["nearest_side_rate", "fd_gap", "fd_gap_floor", "fd_gap_shared_error", *(f"other_{i}" for i in range(27))]
SCALARS += [f"{name}{end}" for name in ("extracted_images", "extraction_chao1") for end in ("", "_matched", "_floor")]
SCALARS += ["isolation_extraction_spearman", "jacobian_auc", "flipd_samples"]
PEAKS = ["peak_gap", "peak_absolute_gap", "sigma_at_peak", "skill_at_peak", "gap_area", "r2_crossing"]
PEAKS += [
    f"attack_{name}_{end}" for name in ATTACKS for end in ("auc", "tpr_at_1_percent", "tpr_at_01_percent", "sigma")
]
PEAKS += ["dataset_inference_p", "dataset_inference_images", "privacy_epsilon", "blind_auc"]
PEAKS += [
    f"{name}_{of}" for name in ("jacobian_trace", "jacobian_norm", "flipd") for of in ("train", "validation", "gap")
]
LOSSES = ["gap", "mse_train", "mse_validation", "mse_optimum_validation", "mse_wiener_validation", "skill_validation"]
LOSSES += [
    "memorized_share",
    *(f"r2_{form}" for form in ("optimum", "labelled_optimum", "wiener", "locality")),
    *(f"loss_{i}" for i in range(6)),
]
STATES = ["train_likeness", "states_inside", "validation_inside"]
STATES += [f"{name}_{of}" for name in ("shell_radius", "largest_weight") for of in ("states", "train", "validation")]
STATES += ["x_t_to_train", "x_t_to_validation", "x_r_train_to_train", "x_r_validation_to_validation"]
STATES += [f"state_{i}" for i in range(14)]
HELD_OUT, LEAST = 128, 64
"""Held-out images and samples; training images of the smallest subset."""
CHANGED = ("value", "low", "high", "curve_value", "curve_low", "curve_high", "loss_validation")
"""Arrays that hold other numbers in every file."""


class Cost(NamedTuple):
    """What a process took."""

    seconds: float
    megabytes: float


def study_of(cells: int) -> Study:
    """A study of so many cells."""
    seeds, steps, sizes = SHAPES[cells]
    sizes_, granularities = [LEAST + 8 * index for index in range(sizes)], ["classes", "unique"]
    return parse_study(
        {
            "name": "large",
            "seeds": list(range(seeds)),
            "steps": [100 * (step + 1) for step in range(steps)],
            "center": {"model": "mlp-small", "train_size": LEAST, "granularity": "classes", "guidance": 0},
            "sweeps": [{"train_size": sizes_, "granularity": granularities, "guidance": [0, 1, 2, 3, 4]}],
        },
        "large.yaml",
    )


def templates(folder: Path) -> dict[Kind, bytes]:
    """The content of one file of each kind that a cell has, without seals."""
    rng = np.random.default_rng(0)

    def estimate(most: float = 1.0) -> Estimate:
        value = float(rng.uniform(0, most))
        return Estimate(value, 0.9 * value, 1.1 * value, 512)

    def curves(names: list[str], levels: int) -> dict[str, store.Variable]:
        unknown = undefined("noised training and validation images cannot be told apart here (AUC_VT holds 0.5)", 192)
        return curve_variables({name: [unknown, *(estimate() for _ in range(levels - 1))] for name in names})

    gaps, states = log_sigmas(24), karras_sigmas(18)
    nearest, distances = np.arange(HELD_OUT) % LEAST, rng.uniform(0, 1, (HELD_OUT, 2))
    extracted = extraction(nearest, distances[:, 0] < distances[:, 1] / 3, LEAST, 0)
    losses = store.Variable(rng.uniform(0, 1, (len(gaps), HELD_OUT)), ("sigma", "held_out"), "loss")
    variables = {
        layout.OPTIMUM: {"sigma": store.Variable(gaps, ("sigma",), "noise level")},
        layout.MEMORIZATION: scalar_variables({name: estimate() for name in SCALARS})
        | {"nearest": store.Variable(nearest, ("sample",), "nearest training image")}
        | {"distance": store.Variable(distances, ("sample", "rank"), "distances")}
        | {"neighbor_of": store.Variable(np.arange(LEAST), ("neighbor_of",), "row")}
        | {"isolation": store.Variable(rng.uniform(0, 1, LEAST), ("neighbor_of",), "distance")}
        | extraction_variables(extracted, extracted),
        layout.DENOISE: {"sigma": store.Variable(gaps, ("sigma",), "noise level"), "loss_validation": losses}
        | {"attack_fpr": store.Variable(rng.uniform(0, 1, LEAST), ("image",), "false positive rate")}
        | scalar_variables({name: estimate() for name in PEAKS})
        | curves(LOSSES, len(gaps)),
        layout.OVERLAP: {"sigma": store.Variable(states, ("sigma",), "noise level")} | curves(STATES, len(states)),
    }
    contents = {}
    for kind, arrays in variables.items():
        path = folder / f"{kind.stage}.h5"
        # As they lie in the file, those that are overwritten in every copy.
        arrays |= {name: replace(arrays[name], compressed=False) for name in CHANGED if name in arrays}
        store.write(path, kind.stage, arrays, {"wall_seconds": 1.5, "peak_memory_mb": 200.0, "device": "cpu"})
        with opened(path) as content:
            contents[kind] = content.read()
    return contents


def places(folder: Path, kind: Kind) -> dict[str, slice]:
    """Where the bytes of the arrays in CHANGED lie in a file."""
    found = {}
    with h5py.File(folder / f"{kind.stage}.h5") as file:
        for name in CHANGED:
            if isinstance(array := file.get(name), h5py.Dataset):
                start = array.id.get_offset()
                found[name] = slice(start, start + array.nbytes)
    return found


class Maker:
    """Makes files of a study from templates."""

    def __init__(self, study: Study, results: Path, folder: Path) -> None:
        self.lineage, self.results = Lineage(study), results
        self.contents = templates(folder)
        self.places = {kind: places(folder, kind) for kind in self.contents}
        self.rng = np.random.default_rng(1)

    def make(self, kind: Kind, factors: Mapping[str, Any]) -> None:
        """One file, as a job makes it."""
        content = bytearray(self.contents[kind])
        for place in self.places[kind].values():
            values = np.frombuffer(content[place], float) * self.rng.uniform(0.9, 1.0)
            content[place] = values.tobytes()
        with written(self.results / kind.of(factors)) as output:
            output.write(content)
            seal(output, self.lineage.fingerprint(kind, factors))

    def make_all(self) -> None:
        """All measures of the study."""
        os.fsync = lambda _: None  # in this process alone: of made-up files nothing need outlast the machine
        for path in self.lineage.study.files:
            place = layout.place_of(path)
            assert place
            self.make(*place)


def took(*arguments: str) -> Cost:
    """What `python -m diffbench` takes with these arguments."""
    process = subprocess.Popen([sys.executable, "-m", "diffbench", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"python -m diffbench {arguments[0]} failed")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(cells: int, folder: Path) -> None:
    """Make a study of so many cells in `folder`, and print what its summary and report take."""
    study = study_of(cells)
    results = folder / study.name
    maker = Maker(study, results, folder)
    maker.make_all()
    run_stage("data", maker.lineage, {}, results)
    time.sleep(1 + RACY_NS / 1e9)  # of files that have just changed nothing is kept
    summary, report = maker.lineage.summary_spec.model_dump_json(), study.report.model_dump_json()
    run = {
        "summary": partial(took, "summary", "--spec", summary, "--results", str(results)),
        "report": partial(took, "report", "--spec", report, "--results", str(results)),
    }
    first = run["summary"]()
    for kind in (layout.MEMORIZATION, layout.OVERLAP):
        maker.make(kind, study.cells[0].factors)
    again = run["summary"]()
    report_cost = run["report"]()
    for name, cost in {"first summary": first, "summary again": again, "report": report_cost}.items():
        print(f"{cells} cells, {name}: {cost.seconds:.1f} CPU s, {cost.megabytes:.0f} MB", flush=True)
    print(f"{cells} cells, summary again over first: {again.seconds / first.seconds:.2f}")
    for what in ("summary", "report"):
        sizes = {path.name: path.stat().st_size for path in sorted((results / what).rglob("*")) if path.is_file()}
        largest = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items() if size > 1e5)
        print(f"{cells} cells, {what}/: {largest}")


def main() -> None:
    """Measure one study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, choices=SHAPES, default=10_000)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE} cells: whether it runs at all")
    parser.add_argument("--keep", type=Path, help="a folder in which the study stays")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(SMOKE if given.smoke else given.cells, given.keep or Path(temporary))


if __name__ == "__main__":
    main()
