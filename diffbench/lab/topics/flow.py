"""Flow fields, log-densities and trajectories in the plane, for four scenes that differ in one thing each."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import SIGMA_MAX, karras_sigmas, seed_of
from diffbench.data.planar import RADIUS, PlanarSet, Points, planar_set
from diffbench.denoisers.posterior import posterior
from diffbench.files.store import Variable
from diffbench.lab.flow import trajectory
from diffbench.lab.ideal import PlanarDenoiser, blurred, optimum
from diffbench.lab.profiles import flow_field
from diffbench.settings.lab import FlowTopic

EXTENT = 1.5 * RADIUS
CELLS = 40
"""Cells along one side of the density's picture."""

SOLVER_LEVELS = 72
DENSE_SPARSE_POINTS = 120


class Scene(NamedTuple):
    """One picture: a denoiser with the points of its training set."""

    name: str
    denoiser: PlanarDenoiser
    points: PlanarSet
    blur: float
    """Delta, by which the density of the training set is widened; 0 for the optimum."""


def scenes(topic: FlowTopic) -> list[Scene]:
    """The optimum; the same points with model error; the same circle with dense support; one set with both."""
    few = planar_set("circle-symmetric", topic.points, 0.0, 0)
    many = planar_set("circle-symmetric", topic.dense_points, 0.0, 0)
    uneven = planar_set("dense-sparse", DENSE_SPARSE_POINTS, 0.0, 0)
    return [
        Scene("optimum", optimum(few.train), few, 0.0),
        Scene("error", blurred(few.train, topic.delta), few, topic.delta),
        Scene("dense", optimum(many.train), many, 0.0),
        Scene("uneven", optimum(uneven.train), uneven, 0.0),
    ]


def variables(topic: FlowTopic) -> dict[str, Variable]:
    """Fields (scene, sigma, position, axis), densities (scene, sigma, cell), trajectories (scene, level,
    start, axis)."""
    drawn, levels = scenes(topic), np.sort(np.array(topic.sigmas))
    grid = solver_grid(levels)
    start = SIGMA_MAX * np.random.default_rng(seed_of("lab starts")).standard_normal((topic.trajectories, 2))
    fields = [[flow_field(scene.denoiser, s, topic.side, EXTENT) for s in levels] for scene in drawn]
    cells = cell_centres()
    points = [part for scene in drawn for part in scene.points]
    owners = [index for index, scene in enumerate(drawn) for part in scene.points for _ in part]
    roles = np.concatenate([np.full(len(part), index % 2) for index, part in enumerate(points)])
    paths = np.stack([np.stack(list(trajectory(s.denoiser, start, grid, "heun"))) for s in drawn])
    densities = np.stack([[log_density(cells, scene, s) for s in levels] for scene in drawn])
    return {
        "scene": Variable(np.array([scene.name for scene in drawn]), ("scene",), "name of the picture"),
        "sigma": Variable(levels, ("sigma",), "noise level of a picture"),
        "position": Variable(np.arange(topic.side**2), ("position",), "index of an arrow"),
        "positions": Variable(fields[0][0].positions, ("position", "axis"), "foot of an arrow"),
        "velocity": Variable(
            np.stack([[field.velocities for field in row] for row in fields]).astype(np.float32),
            ("scene", "sigma", "position", "axis"),
            "dx/dsigma of the probability flow",
        ),
        "cells": Variable(cells, ("cell", "axis"), "centre of a cell of the density"),
        "log_density": Variable(
            densities.astype(np.float32), ("scene", "sigma", "cell"), "ln of the noised training density"
        ),
        "level": Variable(grid, ("level",), "noise level of a trajectory's state"),
        "path": Variable(paths.astype(np.float32), ("scene", "level", "start", "axis"), "state of a trajectory"),
        "points": Variable(np.concatenate(points), ("point", "axis"), "clean points"),
        "point_scene": Variable(np.array(owners), ("point",), "scene of a point, as its index"),
        "point_role": Variable(roles, ("point",), "0: training point, 1: validation point"),
    }


def solver_grid(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Karras grid with the picture's levels put in, falling, so that a state stands at each of them."""
    return np.unique(np.concatenate([karras_sigmas(SOLVER_LEVELS), levels]))[::-1]


def cell_centres() -> Points:
    """Centres of CELLS x CELLS square cells that fill the picture, (cells, 2)."""
    axis = (np.arange(CELLS) + 0.5) / CELLS * 2 * EXTENT - EXTENT
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def log_density(x: Points, scene: Scene, sigma: float) -> NDArray[np.float64]:
    """ln of the density of the scene's training points, blurred by its delta and noised to sigma, at x (m, 2)."""
    return posterior(x, scene.points.train, float(np.hypot(sigma, scene.blur))).log_density
