"""Shapes in signatures: read by the tests, and by nothing that the suite runs."""

import subprocess
import sys

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from diffbench.files.estimates import undefined
from diffbench.lab.ideal import optimum
from diffbench.measures.gap import GapCurve, gap_curve
from diffbench.measures.neighbors import nearest
from diffbench.shapes import Float


def test_arrays_of_another_shape_are_refused_by_measures():
    sigmas, losses = np.ones(3), np.ones((3, 5))
    gap_curve(sigmas, losses, losses, 0)
    with pytest.raises(TypeCheckError, match="validation"):
        gap_curve(sigmas, losses, losses[:2], 0)
    with pytest.raises(TypeCheckError, match="queries"):
        nearest(np.ones(3), losses, 1)
    none = undefined("nothing measured", 0)
    with pytest.raises(TypeCheckError, match="sigmas"):
        GapCurve(losses, (), (), none, none, none)


def test_arrays_of_another_shape_are_refused_by_the_laboratory():
    points = np.ones((4, 2))
    optimum(points)(points, 1.0)
    with pytest.raises(TypeCheckError, match="train"):
        optimum(np.ones((4, 3)))
    with pytest.raises(TypeCheckError, match="x"):
        optimum(points)(points.astype(np.float32), 1.0)


@pytest.mark.parametrize("stage", ["memorization", "overlap", "lab"])
def test_stages_run_without_the_library_behind_shapes(stage):
    code = f"import sys, diffbench.stages.{stage}; print(sorted({{'jaxtyping', 'beartype'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_shape_that_nobody_reads_is_its_array():
    code = "import numpy as np; from diffbench.shapes import Float; print(Float[np.ndarray, 'n d'] is np.ndarray)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
    assert Float[np.ndarray, "n d"] is not np.ndarray
