"""Task graphs: every accepted form becomes one T x T quadratic ``L``, used as ``tr(W L W')``.

Graph models penalise ``lambda1/2 * tr(W L W')``, for a Laplacian ``lambda1/2 * sum_{s<t} a_st
||w_s - w_t||^2``. `to_laplacian` reads:

===================================== ==================================================  ========
form                                  meaning                                             labelled
===================================== ==================================================  ========
``"complete"``                        every pair, weight 1/T: ``L = I - 11'/T``           no
``"chain"``                           each task with the next, weight 1                   no
array or scipy sparse matrix (T, T)   adjacency: symmetric, nonnegative                   no
pandas DataFrame                      adjacency, tasks named by its index and columns     yes
list of ``(task, task[, weight])``    edges                                               yes
networkx graph, undirected            edges, weights from ``"weight"`` (default 1)        yes
`adjacency`, `laplacian`, `incidence` a matrix, said what it is                           optional
===================================== ==================================================  ========

Labelled forms are restricted to the fitted tasks: an edge to a task that is not fitted is dropped
(with a warning in a fit, but for clones: folds lack tasks), a fitted task that the graph does not
know is isolated. Unlabelled ones follow the order of
``tasks_`` and must have its size. Labels are compared by value (``1 == 1.0``, ``1 != "1"``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse import csgraph

from ._typing import AnyArray, FloatArray, IntArray

__all__ = [
    "adjacency",
    "chain",
    "complete",
    "connected_components",
    "edges",
    "incidence",
    "laplacian",
    "to_laplacian",
]

_WORDS = ("complete", "chain")
_HOW_TO_SAY = (
    "Wrap a task-by-edge structure matrix as malsar_py.graphs.incidence(R), a Laplacian or "
    "another quadratic as malsar_py.graphs.laplacian(L), or pass edges as a list of "
    "(task, task[, weight]) tuples."
)
# Symmetry and semidefiniteness up to the rounding of whoever computed the matrix.
_RTOL = 1e-10


# eq=False: arrays have no single truth value, and sklearn compares parameters by identity.
@dataclass(frozen=True, eq=False, repr=False)
class _TaskMatrix(ABC):
    """A checked matrix whose rows are tasks, with their labels when it has any."""

    matrix: Any
    tasks: tuple[Any, ...] | None = None

    def __repr__(self) -> str:
        name = type(self).__name__.lower()
        labels = "" if self.tasks is None else f", tasks={_shorten(self.tasks)}"
        return f"{name}(<array of shape {self.matrix.shape}>{labels})"

    @abstractmethod
    def quadratic(self, keep: IntArray) -> FloatArray:
        """The quadratic among the rows ``keep``, without the edges that leave them."""


class Adjacency(_TaskMatrix):
    """Edge weights between tasks (made by `adjacency`)."""

    def quadratic(self, keep: IntArray) -> FloatArray:
        return _degree_minus(self.matrix[np.ix_(keep, keep)])


class Incidence(_TaskMatrix):
    """Structure matrix, one column per edge (made by `incidence`)."""

    def quadratic(self, keep: IntArray) -> FloatArray:
        outside = np.setdiff1d(np.arange(self.matrix.shape[0]), keep)
        if outside.size:
            touched = np.asarray((self.matrix[outside] != 0).sum(axis=0)).ravel() > 0
            R = self.matrix[keep][:, np.flatnonzero(~touched)]
        else:
            R = self.matrix[keep]
        L = R @ R.T
        return L.toarray() if scipy.sparse.issparse(L) else L


class Laplacian(_TaskMatrix):
    """Positive semidefinite quadratic between tasks (made by `laplacian`)."""

    def quadratic(self, keep: IntArray) -> FloatArray:
        L = self.matrix[np.ix_(keep, keep)]
        outside = np.setdiff1d(np.arange(self.matrix.shape[0]), keep)
        if outside.size:
            # An edge (s, t) of weight a puts a on both diagonals and -a in the corner.
            L[np.diag_indices_from(L)] += self.matrix[np.ix_(keep, outside)].sum(axis=1)
            if not _is_psd(L):
                raise ValueError(
                    "graph: this graphs.laplacian(L) is no longer positive semidefinite once the "
                    "edges to tasks that are not fitted are dropped. Pass the quadratic of the "
                    "fitted tasks alone."
                )
        return L


@dataclass(frozen=True, eq=False, repr=False)
class Edges:
    """Weighted edges between labelled tasks (made by `edges`)."""

    triples: tuple[tuple[Any, Any, float], ...]
    nodes: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"edges(<{len(self.triples)} edges between {len(self.nodes)} tasks>)"


def to_laplacian(graph: Any, tasks: Sequence[Any] | AnyArray) -> FloatArray:
    """Turn any accepted graph into the quadratic of the fitted tasks.

    Parameters
    ----------
    graph : str, array, sparse matrix, DataFrame, list of edges, networkx graph or wrapper
        One of the forms listed at the top of this module. A bare array is an adjacency.
    tasks : sequence of length T
        Labels of the fitted tasks, in the order of the rows of ``L``.

    Returns
    -------
    ndarray of shape (T, T), float64
        Symmetric positive semidefinite.

    Raises
    ------
    ValueError
        The matrix is not what its form says, its size is not T, or no label is a fitted task.
    TypeError
        The form is none of those listed.

    Examples
    --------
    >>> from malsar_py.graphs import to_laplacian
    >>> to_laplacian([("north", "south"), ("south", "west", 2.0)], ["north", "south"])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    graph, labels = read(graph), list(tasks)
    if isinstance(graph, str):
        return _from_word(graph, len(labels))
    return _from_edges(graph, labels) if isinstance(graph, Edges) else _restrict(graph, labels)


def read(graph: Any) -> str | Edges | _TaskMatrix:
    """Any accepted graph as one of three kinds."""
    if isinstance(graph, str | Edges | _TaskMatrix):
        return graph
    if _is_networkx(graph):
        return _read_networkx(graph)
    if isinstance(graph, np.ndarray) or scipy.sparse.issparse(graph) or _is_frame(graph):
        return adjacency(graph)
    if isinstance(graph, Iterator):
        raise TypeError(
            "graph: an iterator of edges would be empty at the second fit. Pass list(graph), or "
            "malsar_py.graphs.edges(graph)."
        )
    # An array-like of another library is no list of edges, and its labels could get lost.
    if isinstance(graph, Iterable) and not (
        isinstance(graph, Mapping) or hasattr(graph, "__array__")
    ):
        _refuse_nested_matrix(graph)
        return edges(graph)
    raise TypeError(
        "The 'graph' parameter must be 'complete', 'chain', an adjacency (array, scipy sparse "
        "matrix or DataFrame), a list of (task, task[, weight]) edges, a networkx graph or one of "
        f"malsar_py.graphs' wrappers. Got {type(graph).__name__} instead."
    )


def adjacency(A: Any, tasks: Sequence[Any] | None = None) -> Adjacency:
    """Edge weights ``a_st >= 0`` between tasks, as a value for ``graph``: ``L = diag(A 1) - A``.

    Parameters
    ----------
    A : array, scipy sparse matrix or DataFrame of shape (T, T)
        Symmetric, nonnegative, finite. The diagonal has no effect: a task is no neighbour of
        itself. A DataFrame brings its labels (index and columns hold the same ones, in any order).
    tasks : sequence of length T, optional
        Labels of the rows. With labels the graph is restricted to the fitted tasks.

    Returns
    -------
    graph : Adjacency
        The matrix, checked, with its labels.

    Examples
    --------
    >>> from malsar_py import graphs
    >>> graphs.adjacency([[0, 1], [1, 0]], tasks=["north", "south"])
    adjacency(<array of shape (2, 2)>, tasks=['north', 'south'])
    """
    where = "graph: an adjacency (which is how a bare array is read)"
    matrix, labels = _read_matrix(A, tasks, where, square=True)
    if not _is_symmetric(matrix):
        raise ValueError(f"{where} must be symmetric. {_HOW_TO_SAY}")
    if (matrix < 0).any():
        raise ValueError(f"{where} must be nonnegative. {_HOW_TO_SAY}")
    matrix = 0.5 * (matrix + matrix.T)
    np.fill_diagonal(matrix, 0.0)
    return Adjacency(matrix, labels)


def incidence(R: Any, tasks: Sequence[Any] | None = None) -> Incidence:
    """Structure matrix, one column per edge, as a value for ``graph``: ``L = R R'`` (MALSAR's R).

    A column with ``a`` at task s and ``-a`` at task t adds ``a^2 ||w_s - w_t||^2``; other columns
    are allowed and give ``||W r||^2``.

    Parameters
    ----------
    R : array, scipy sparse matrix or DataFrame of shape (T, n_edges)
        Finite. A DataFrame brings the labels of its index.
    tasks : sequence of length T, optional
        Labels of the rows. With labels the graph is restricted to the fitted tasks: columns that
        touch another task are dropped.

    Returns
    -------
    graph : Incidence
        The matrix, checked, with its labels.

    Examples
    --------
    >>> from malsar_py import graphs
    >>> graphs.to_laplacian(graphs.incidence([[1.0], [-1.0]]), tasks=[0, 1])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    matrix, labels = _read_matrix(R, tasks, "graphs.incidence: R", square=False)
    return Incidence(matrix, labels)


def laplacian(L: Any, tasks: Sequence[Any] | None = None) -> Laplacian:
    """Quadratic between tasks, used as it is, as a value for ``graph``.

    A graph Laplacian, or any other (the inverse of a task covariance, say).

    Parameters
    ----------
    L : array, scipy sparse matrix or DataFrame of shape (T, T)
        Symmetric positive semidefinite, finite. A DataFrame brings its labels.
    tasks : sequence of length T, optional
        Labels of the rows. With labels the graph is restricted to the fitted tasks: the pair terms
        ``-L_st ||w_s - w_t||^2`` with another task are dropped.

    Returns
    -------
    graph : Laplacian
        The matrix, checked, with its labels.
    """
    where = "graphs.laplacian: L"
    matrix, labels = _read_matrix(L, tasks, where, square=True)
    if not _is_symmetric(matrix):
        raise ValueError(f"{where} must be symmetric.")
    matrix = 0.5 * (matrix + matrix.T)
    if not _is_psd(matrix):
        raise ValueError(
            f"{where} must be positive semidefinite. (An adjacency is passed bare or as "
            "malsar_py.graphs.adjacency(A).)"
        )
    return Laplacian(matrix, labels)


def edges(pairs: Iterable[Any]) -> Edges:
    """Undirected edges between labelled tasks, as a value for ``graph``.

    A plain list of such tuples is one too; this one also takes a generator.

    Parameters
    ----------
    pairs : iterable of (task, task) or (task, task, weight)
        ``weight >= 0``, 1 when left out. Edges that occur twice add up, in either direction. An
        edge from a task to itself is an error.

    Returns
    -------
    graph : Edges
        The edges and their tasks.

    Examples
    --------
    >>> from malsar_py import graphs
    >>> graphs.edges(("w%d" % i, "w%d" % (i + 1)) for i in range(3))
    edges(<3 edges between 4 tasks>)
    """
    triples = tuple(_read_edge(edge) for edge in pairs)
    return Edges(triples, tuple(dict.fromkeys(node for a, b, _ in triples for node in (a, b))))


def chain(n_tasks: int) -> FloatArray:
    """Adjacency of ordered tasks: each with the next, weight 1 (the word ``"chain"``).

    Parameters
    ----------
    n_tasks : int
        Number of tasks T.

    Returns
    -------
    A : ndarray of shape (n_tasks, n_tasks)
        The adjacency.

    Examples
    --------
    >>> from malsar_py.graphs import chain
    >>> chain(3)
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    return np.eye(n_tasks, k=1) + np.eye(n_tasks, k=-1)


def complete(n_tasks: int) -> FloatArray:
    """Adjacency of all pairs, weight 1/T (the word ``"complete"``), so that ``L = I - 11'/T``.

    Parameters
    ----------
    n_tasks : int
        Number of tasks T.

    Returns
    -------
    A : ndarray of shape (n_tasks, n_tasks)
        The adjacency.
    """
    A = np.full((n_tasks, n_tasks), 1.0 / n_tasks)
    np.fill_diagonal(A, 0.0)
    return A


def connected_components(L: FloatArray) -> IntArray:
    """Component of every task: tasks joined by nonzero off-diagonal entries share a number.

    Parameters
    ----------
    L : ndarray of shape (T, T)
        Symmetric.

    Returns
    -------
    ndarray of shape (T,)
        0, 1, ... in the order of first appearance.
    """
    # R R' leaves rounding where edges cancel; such a speck must not join two components.
    floor = L.shape[0] * np.finfo(np.float64).eps * np.abs(L).max(initial=0.0)
    pattern = scipy.sparse.csr_array(np.abs(L) > floor)
    return csgraph.connected_components(pattern, directed=False)[1].astype(np.intp)


def _read_matrix(
    matrix: Any, tasks: Sequence[Any] | None, where: str, *, square: bool
) -> tuple[Any, tuple[Any, ...] | None]:
    """A checked float64 copy (sparse stays sparse unless ``square``) and its labels."""
    hint = f" {_HOW_TO_SAY}" if where.startswith("graph:") else ""
    if _is_frame(matrix):
        if tasks is None:
            tasks = list(matrix.index)
            if square:
                matrix = _order_columns(matrix, tasks, where)
        matrix = matrix.to_numpy()
    try:
        if scipy.sparse.issparse(matrix):
            array = matrix.toarray() if square else scipy.sparse.csr_array(matrix)
        else:
            array = np.asarray(matrix)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"got dtype {array.dtype}")
        array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{where} must be a matrix of real numbers: {error}.{hint}") from error
    if array.ndim != 2 or (square and array.shape[0] != array.shape[1]):
        shape = "square (one row and one column per task)" if square else "2-D (task by edge)"
        raise ValueError(f"{where} must be {shape}, got shape {array.shape}.{hint}")
    if not np.isfinite(array.data if scipy.sparse.issparse(array) else array).all():
        raise ValueError(f"{where} contains NaN or infinity.")
    if tasks is None:
        return array, None
    labels = tuple(tasks)
    if len(labels) != array.shape[0]:
        raise ValueError(f"{where} has {array.shape[0]} rows but tasks has {len(labels)} labels.")
    if len(_index_of(labels)) != len(labels):
        raise ValueError(f"{where} has a task label more than once: {_shorten(labels)}.")
    return array, labels


def _order_columns(frame: Any, index: Sequence[Any], where: str) -> Any:
    columns = _index_of(frame.columns)
    if len(columns) != len(index) or any(label not in columns for label in _index_of(index)):
        raise ValueError(
            f"{where} must have the same task labels in its index and its columns, got "
            f"{_shorten(index)} and {_shorten(list(frame.columns))}."
        )
    return frame.iloc[:, [columns[label] for label in index]]


def _read_edge(edge: Any) -> tuple[Any, Any, float]:
    try:
        parts = () if isinstance(edge, str) else tuple(edge)
    except TypeError:
        parts = ()
    if len(parts) not in (2, 3):
        raise ValueError(
            "graph: an edge is a tuple (task, task) or (task, task, weight), got "
            f"{edge!r}. An adjacency must be an array, a sparse matrix or a DataFrame."
        )
    first, second = parts[:2]
    weight = parts[2] if len(parts) == 3 else 1.0
    _index_of((first, second))  # hashable
    for label in (first, second):
        if isinstance(label, float) and abs(label) >= 2.0**53:
            raise ValueError(f"graph: edge {edge!r} has a float label beyond 2^53: pass integers.")
    if first == second:
        raise ValueError(f"graph: edge {edge!r} joins task {first!r} to itself.")
    if not isinstance(weight, Real):
        raise TypeError(f"graph: the weight of edge {edge!r} must be a number.")
    if not 0.0 <= float(weight) < np.inf:
        raise ValueError(f"graph: the weight of edge {edge!r} must be finite and nonnegative.")
    return first, second, float(weight)


def _read_networkx(graph: Any) -> Edges:
    if graph.is_directed():
        raise ValueError(
            "graph: a directed networkx graph is not symmetric. Pass graph.to_undirected()."
        )
    triples = edges(graph.edges(data="weight", default=1.0)).triples
    return Edges(triples, tuple(graph.nodes))


def _refuse_nested_matrix(graph: Iterable[Any]) -> None:
    """``[[0, 1], [1, 0]]`` is two edges by the rule, but whoever wrote it meant a matrix."""
    rows = list(graph)
    if rows and all(isinstance(row, list) and len(row) == len(rows) for row in rows):
        raise ValueError(
            "graph: a nested list may be a matrix or a list of edges. Pass "
            "numpy.array(graph) for an adjacency, or tuples (task, task[, weight]) for edges."
        )


def _from_word(word: str, n_tasks: int) -> FloatArray:
    if word == "complete":
        return np.eye(n_tasks) - 1.0 / n_tasks
    if word == "chain":
        return _degree_minus(chain(n_tasks))
    raise ValueError(
        f"The 'graph' parameter must be a str among {_WORDS}, or a graph. Got {word!r} instead."
    )


def _from_edges(graph: Edges, labels: list[Any]) -> FloatArray:
    position = _index_of(labels)
    _check_overlap(graph.nodes, labels, position)
    A = np.zeros((len(labels), len(labels)))
    for first, second, weight in graph.triples:
        if first in position and second in position:
            s, t = position[first], position[second]
            A[s, t] += weight
            A[t, s] += weight
    return _degree_minus(A)


def _restrict(graph: _TaskMatrix, labels: list[Any]) -> FloatArray:
    n_rows = graph.matrix.shape[0]
    if graph.tasks is None:
        if n_rows != len(labels):
            raise ValueError(
                f"graph has {n_rows} tasks but the model is fitted on {len(labels)} tasks. Only a "
                "labelled graph is restricted to the fitted tasks: pass edges, a DataFrame, a "
                "networkx graph, or tasks= to malsar_py.graphs."
            )
        return graph.quadratic(np.arange(n_rows))
    position = _index_of(labels)
    _check_overlap(graph.tasks, labels, position)
    keep = np.array([i for i, label in enumerate(graph.tasks) if label in position], dtype=np.intp)
    into = np.array([position[graph.tasks[i]] for i in keep], dtype=np.intp)
    L = np.zeros((len(labels), len(labels)))
    L[np.ix_(into, into)] = graph.quadratic(keep)
    return L


def _degree_minus(A: FloatArray) -> FloatArray:
    return np.diag(A.sum(axis=1)) - A


def _check_overlap(nodes: Sequence[Any], labels: list[Any], position: dict[Any, int]) -> None:
    if not any(node in position for node in nodes):
        raise ValueError(
            f"graph: none of its task labels {_shorten(nodes)} is a fitted task; these are "
            f"{_shorten(labels)}. Labels are compared by value, so 1 is not '1'."
        )


def _index_of(labels: Iterable[Any]) -> dict[Any, int]:
    try:
        return {label: i for i, label in enumerate(labels)}
    except TypeError as error:
        raise TypeError(f"graph: task labels must be hashable: {error}.") from error


def _is_symmetric(matrix: FloatArray) -> bool:
    scale = np.abs(matrix).max(initial=0.0)
    return bool(np.abs(matrix - matrix.T).max(initial=0.0) <= _RTOL * scale)


def _is_psd(matrix: FloatArray) -> bool:
    eigenvalues = scipy.linalg.eigvalsh(matrix)
    return bool(eigenvalues.size == 0 or eigenvalues[0] >= -_RTOL * np.abs(eigenvalues).max())


def _is_frame(graph: Any) -> bool:
    return all(hasattr(graph, name) for name in ("index", "columns", "iloc", "to_numpy"))


def _is_networkx(graph: Any) -> bool:
    return all(hasattr(graph, name) for name in ("nodes", "edges", "is_directed"))


def _shorten(labels: Sequence[Any], limit: int = 6) -> str:
    # .item() so that numpy scalars read as plain values.
    shown = [x.item() if isinstance(x, np.generic) else x for x in list(labels)[:limit]]
    return repr(shown) if len(labels) <= limit else f"{repr(shown)[:-1]}, ...]"
