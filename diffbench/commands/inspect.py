"""Inspect: one model that was trained elsewhere, on the images it was trained on and others, without a study file."""

from diffbench.inspection.inspecting import inspect_model
from diffbench.inspection.options import Inspection
from diffbench.study import layout


def run(inspection: Inspection) -> None:
    """Measure gap, overlap, memorization and quality of one model, and print the path of the report."""
    out = inspect_model(inspection)
    print(f"Report: {(out / layout.page('index')).resolve()}")
    print(f"Privacy report: {(out / layout.page('privacy')).resolve()}")
