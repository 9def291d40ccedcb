"""Edges of a graph that name no task."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from ._labels import object_array, show_labels
from ._typing import AnyArray
from .graphs import Edges, Incidence, read


def unknown_labels(graph: Any, tasks: Sequence[Any] | AnyArray) -> list[Any]:
    """Labels at the end of an edge of the graph that are none of these tasks."""
    graph = read(graph)
    if isinstance(graph, Edges):
        ends = dict.fromkeys(node for a, b, _ in graph.triples for node in (a, b))
    elif isinstance(graph, str) or graph.tasks is None:
        return []
    else:
        rows = np.asarray(scipy.sparse.csr_array(graph.matrix != 0).sum(axis=1)).ravel()
        alone = 0 if isinstance(graph, Incidence) else graph.matrix.diagonal() != 0
        ends = dict.fromkeys(graph.tasks[i] for i in np.flatnonzero(rows - alone))
    known = set(tasks)
    return [label for label in ends if label not in known]


def warn_of_unknown(graph: Any, tasks: AnyArray, parameter: str) -> None:
    """Warn of edges that name no task: who wrote them meant one."""
    unknown = unknown_labels(graph, tasks)
    if unknown:
        what = "is no fitted task" if len(unknown) == 1 else "are no fitted tasks"
        warnings.warn(
            f"{parameter} has edges that name {show_labels(object_array(unknown))}, which {what}: "
            f"they are left out. The fitted tasks are {show_labels(tasks)}; labels "
            "are compared by value, so 1 is not '1'.",
            UserWarning,
            stacklevel=4,
        )
