"""Edges that join new tasks to fitted ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._labels import object_array, show_labels
from .._typing import AnyArray, FloatArray
from ..graphs import Edges, read


def edge_weights(edges: Any, new: AnyArray, fitted: AnyArray) -> FloatArray:
    """Weights (n_new, n_fitted) of the edges between them; every edge must be one."""
    graph = read(edges)
    if not isinstance(graph, Edges):
        raise TypeError("edges must be a list of (label, label[, weight]).")
    of_new = {label: i for i, label in enumerate(new.tolist())}
    of_fitted = {label: u for u, label in enumerate(fitted.tolist())}
    weights = np.zeros((len(new), len(fitted)))
    for a, b, weight in graph.triples:
        if a in of_fitted:
            a, b = b, a
        if a not in of_new or b not in of_fitted:
            raise ValueError(
                f"edges must join a new task and a fitted one, got "
                f"{show_labels(object_array([a, b]))}: the new tasks are {show_labels(new)}, the "
                f"fitted ones {show_labels(fitted)}."
            )
        weights[of_new[a], of_fitted[b]] += weight
    return weights
