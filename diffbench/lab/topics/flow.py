"""Flow fields, log-densities and trajectories in the plane, for four scenes that differ in one thing each."""

from typing import NamedTuple

import numpy as np

from diffbench.conventions import SIGMA_MAX, karras_sigmas, seed_of
from diffbench.data.planar import RADIUS, PlanarSet, planar_set
from diffbench.denoisers.posterior import posterior
from diffbench.files.store import Variable
from diffbench.lab.flow import trajectory
from diffbench.lab.ideal import PlanarDenoiser, blurred, optimum
from diffbench.lab.profiles import flow_field
from diffbench.settings.lab import FlowTopic
from diffbench.shapes import Float64

EXTENT = 1.5 * RADIUS
SQUARES = 40
"""Squares along one side of the density's picture."""

SOLVER_LEVELS = 72
DENSE_SPARSE_POINTS = 120


class Scene(NamedTuple):
    """One picture: a denoiser with the points of its training set."""

    name: str
    denoiser: PlanarDenoiser
    points: PlanarSet
    blur: float  # delta, by which the density of the training set is widened; 0 for the optimum


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
    """The scenes with their fields, densities, trajectories and points."""
    drawn, sigmas = scenes(topic), np.sort(np.array(topic.sigmas))
    return {
        "scene": Variable(np.array([scene.name for scene in drawn]), ("scene",), "name of the picture"),
        "sigma": Variable(sigmas, ("sigma",), "noise level of a picture"),
        **_fields(drawn, sigmas, topic.side),
        **_densities(drawn, sigmas),
        **_trajectories(drawn, sigmas, topic.trajectories),
        **_points(drawn),
    }


def _fields(drawn: list[Scene], sigmas: Float64[np.ndarray, " L"], side: int) -> dict[str, Variable]:
    fields = [[flow_field(scene.denoiser, s, side, EXTENT) for s in sigmas] for scene in drawn]
    velocities = np.stack([[field.velocities for field in row] for row in fields]).astype(np.float32)
    dims = ("scene", "sigma", "position", "axis")
    return {
        "position": Variable(np.arange(side**2), ("position",), "index of an arrow"),
        "positions": Variable(fields[0][0].positions, ("position", "axis"), "foot of an arrow"),
        "velocity": Variable(velocities, dims, "dx/dsigma of the probability flow"),
    }


def _densities(drawn: list[Scene], sigmas: Float64[np.ndarray, " L"]) -> dict[str, Variable]:
    squares = square_centres()
    densities = np.stack([[log_density(squares, scene, s) for s in sigmas] for scene in drawn]).astype(np.float32)
    return {
        "cells": Variable(squares, ("cell", "axis"), "centre of a square of the density"),
        "log_density": Variable(densities, ("scene", "sigma", "cell"), "ln of the noised training density"),
    }


def _trajectories(drawn: list[Scene], sigmas: Float64[np.ndarray, " L"], count: int) -> dict[str, Variable]:
    """Trajectories of all scenes from the same starts."""
    grid = solver_grid(sigmas)
    start = SIGMA_MAX * np.random.default_rng(seed_of("lab starts")).standard_normal((count, 2))
    paths = np.stack([np.stack(list(trajectory(scene.denoiser, start, grid, "heun"))) for scene in drawn])
    dims = ("scene", "level", "start", "axis")
    return {
        "level": Variable(grid, ("level",), "noise level of a trajectory's state"),
        "path": Variable(paths.astype(np.float32), dims, "state of a trajectory"),
    }


def _points(drawn: list[Scene]) -> dict[str, Variable]:
    """Clean points of all scenes in one list; training points come before validation points in each."""
    parts = [(index, role, part) for index, scene in enumerate(drawn) for role, part in enumerate(scene.points)]
    owners = np.concatenate([np.full(len(part), index) for index, _, part in parts])
    roles = np.concatenate([np.full(len(part), role) for _, role, part in parts])
    return {
        "points": Variable(np.concatenate([part for *_, part in parts]), ("point", "axis"), "clean points"),
        "point_scene": Variable(owners, ("point",), "scene of a point, as its index"),
        "point_role": Variable(roles, ("point",), "0: training point, 1: validation point"),
    }


def solver_grid(sigmas: Float64[np.ndarray, " L"]) -> Float64[np.ndarray, " G"]:
    """The Karras grid with the picture's levels put in, falling, so that a state stands at each of them."""
    return np.unique(np.concatenate([karras_sigmas(SOLVER_LEVELS), sigmas]))[::-1]


def square_centres() -> Float64[np.ndarray, "_ 2"]:
    """Centres of the SQUARES x SQUARES squares that fill the picture."""
    axis = (np.arange(SQUARES) + 0.5) / SQUARES * 2 * EXTENT - EXTENT
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def log_density(x: Float64[np.ndarray, "m 2"], scene: Scene, sigma: float) -> Float64[np.ndarray, " m"]:
    """Logarithm of the density of the scene's training points, blurred by its delta and noised to sigma, at x."""
    return posterior(x, scene.points.train, float(np.hypot(sigma, scene.blur))).log_density
