"""Data sets: shipped (``load_*``), downloaded (``fetch_*``) and simulated (``make_*``)."""

from __future__ import annotations

import csv
import hashlib
import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state, check_scalar

from ._typing import AnyArray, FloatArray, IntArray
from .graphs import to_laplacian

__all__ = [
    "fetch_school",
    "load_exam",
    "make_clustered",
    "make_graph",
    "make_joint_feature",
    "make_low_rank",
]

_EXAM_DESCR = """\
Exam: examination results of 4,059 pupils in 65 inner-London schools

The task is the school; schools have 2 to 198 pupils. Target `normexam`: exam score at age 16,
normalised. One variable is one feature, or one 0/1 feature per category:

schgend   girls', boys' or mixed school (constant within a school)
schavg    school average of the intake score (constant within a school)
vr        band of the verbal reasoning score at intake (constant within a school here)
intake    band of the pupil's intake score
standLRT  London Reading Test score of the pupil, standardised
sex       F or M
type      Mxd (mixed) or Sngl (single-sex) school (constant within a school)

`student` is an identifier and not a feature. Source: Goldstein, H. et al. (1993), "A multilevel
analysis of school examination results", Oxford Review of Education 19, 425-433; the table `Exam` of
the R package mlmRev.
"""
_EXAM_INTEGER = ("school", "student")
_EXAM_CATEGORICAL = ("schgend", "vr", "intake", "sex", "type")

_SCHOOL_DESCR = """\
School: examination scores of 15,362 pupils in 139 secondary schools, London 1985-1987

The task is the school (1 to 139); schools have 22 to 251 pupils. Target: exam score, 1 to 70. The
28 columns are those of MALSAR's file: 25 of 0/1, two percentages of the school (3 and 4) and a
constant (27). Collected by the Inner London Education Authority (ILEA).
"""

_VARIABLE = "MALSAR_PY_DATA"
# name -> (URL, SHA-256)
_REMOTE = {
    "school.mat": (
        "https://raw.githubusercontent.com/jiayuzhou/MALSAR/"
        "fb9751594983df020ddc4f7e4a40520ee7c37989/data/school.mat",
        "57fb3238fdd03a9aa17276e2ce18d9bbb5d128c3261e794fe6233b58b6909068",
    ),
}
_TIMEOUT = 30.0  # seconds without an answer


def load_exam(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the Exam data: 4,059 pupils in 65 inner-London schools, one task per school.

    Categories are one-hot encoded with names like ``"vr=mid 50%"``: 15 numeric features, the same
    with and without `as_frame`. Only where the school label stands differs.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch. As arrays these lack the school labels: take
        `as_frame` too, or the Bunch.
    as_frame : bool, default=False
        Return `data` as a DataFrame whose first column is ``"school"``, ready for
        ``task_column="school"``, and `target` as a Series. Needs pandas.

    Returns
    -------
    Bunch or (data, target)
        data : ndarray of shape (4059, 15), or DataFrame of shape (4059, 16) with the school
        target : ndarray of shape (4059,) or Series, `normexam`
        tasks : ndarray of shape (4059,), the schools 1 to 65, for the keyword ``tasks=``
        feature_names : list of 15 str, without the school
        target_names : list of str
        frame : with `as_frame` the file as it is, categories as strings: (4059, 10)
        DESCR, filename : str

    References
    ----------
    .. [1] Goldstein, H. et al. (1993). "A multilevel analysis of school examination results".
       Oxford Review of Education 19, 425-433.

    Examples
    --------
    >>> from malsar_py.datasets import load_exam
    >>> exam = load_exam()
    >>> exam.data.shape, len(set(exam.tasks))
    ((4059, 15), 65)
    >>> exam.feature_names[:4]
    ['schgend=boys', 'schgend=girls', 'schgend=mixed', 'schavg']
    """
    path = _exam_path()
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    raw: dict[str, AnyArray] = {}
    features: dict[str, AnyArray] = {}
    for name, texts in zip(names, zip(*rows, strict=True), strict=True):
        column = np.array(texts)
        if name in _EXAM_CATEGORICAL:
            features |= {f"{name}={level}": column == level for level in np.unique(column)}
        else:
            column = column.astype(np.int64 if name in _EXAM_INTEGER else np.float64)
            features[name] = column
        raw[name] = column
    for name in ("school", "student", "normexam"):
        del features[name]
    bunch = Bunch(
        data=np.column_stack(list(features.values())).astype(np.float64),
        target=raw["normexam"],
        tasks=raw["school"],
        frame=raw,
        feature_names=list(features),
        target_names=["normexam"],
        DESCR=_EXAM_DESCR,
        filename=str(path),
    )
    return _present("load_exam", bunch, return_X_y, as_frame)


def fetch_school(
    *,
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load the School data: 15,362 pupils in 139 secondary schools, one task per school.

    The file ``school.mat`` is taken from the folder named by the environment variable
    ``MALSAR_PY_DATA`` if it is there, else from `data_home`, where it is downloaded once (by pooch:
    ``pip install "malsar_py[data]"``). Its SHA-256 is checked every time.

    Parameters
    ----------
    data_home : path, default=None
        Cache folder; None is the user's cache folder for malsar_py.
    return_X_y, as_frame : bool, default=False
        As in `load_exam`.

    Returns
    -------
    Bunch or (data, target)
        As in `load_exam`, with `data` of shape (15362, 28), features ``"x0"`` to ``"x27"`` (the
        file names none), and exam scores of 1 to 70 as target; `frame` joins school, features and
        target.

    Raises
    ------
    OSError
        The file is not on disk and cannot be downloaded, or it is not the right one.

    References
    ----------
    .. [1] Nuttall, D. L., Goldstein, H., Prosser, R., Rasbash, J. (1989). "Differential school
       effectiveness". International Journal of Educational Research 13, 769-776.
    """
    from scipy.io import loadmat

    path = _fetch("school.mat", data_home)
    cells = loadmat(path, mat_dtype=True)
    X = [np.asarray(block, dtype=np.float64) for block in cells["X"].ravel()]
    tasks = np.repeat(np.arange(1, len(X) + 1), [len(block) for block in X])
    data = np.ascontiguousarray(np.vstack(X))
    target = np.concatenate([block.ravel() for block in cells["Y"].ravel()]).astype(np.float64)
    names = [f"x{j}" for j in range(data.shape[1])]
    bunch = Bunch(
        data=data,
        target=target,
        tasks=tasks,
        frame={"school": tasks, **dict(zip(names, data.T, strict=True)), "score": target},
        feature_names=names,
        target_names=["score"],
        DESCR=_SCHOOL_DESCR,
        filename=str(path),
    )
    return _present("fetch_school", bunch, return_X_y, as_frame)


def make_joint_feature(
    n_tasks: int = 10,
    n_samples: Any = 50,
    n_features: int = 20,
    *,
    n_informative: int = 5,
    noise: float = 1.0,
    classification: bool = False,
    coef: bool = False,
    random_state: Any = None,
) -> tuple[AnyArray, ...]:
    """Simulate tasks that use the same few features, each with its own coefficients.

    `n_informative` features, drawn once, have independent N(0, 1) coefficients in every task; the
    others have none. Features are independent N(0, 1).

    Parameters
    ----------
    n_tasks : int, default=10
        Number of tasks T.
    n_samples : int, (low, high) or sequence of length n_tasks, default=50
        Rows of a task: the same for all; a tuple of two for numbers drawn uniformly, both ends
        included; or a list or array of one number per task.
    n_features : int, default=20
        Number of features d.
    n_informative : int, default=5
        Number of features that matter, at most `n_features`.
    noise : float, default=1.0
        Standard deviation of the normal noise added to the target. Not used with `classification`.
    classification : bool, default=False
        Draw labels 0 and 1 from the logistic model ``P(1) = 1 / (1 + exp(-x . w))``. Where a
        task of several rows gets one class only, its least certain row is given the other.
    coef : bool, default=False
        Return the true coefficients too.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
        Rows of all tasks, in the order of the tasks.
    y : ndarray of shape (n_rows,)
        Target, or labels 0 and 1.
    tasks : ndarray of shape (n_rows,)
        Task of each row, 0 to T - 1.
    coef : ndarray of shape (n_tasks, n_features)
        True coefficients, only if `coef` is True. There are no intercepts.

    Examples
    --------
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks, W = make_joint_feature(3, (5, 9), coef=True, random_state=0)
    >>> W.shape, int((W != 0).any(axis=0).sum())
    ((3, 20), 5)
    """
    rng = check_random_state(random_state)
    _check(Integral, 1, n_tasks=n_tasks, n_features=n_features)
    _check(Integral, 1, n_features, n_informative=n_informative)
    W = np.zeros((n_tasks, n_features))
    informative = rng.choice(n_features, n_informative, replace=False)
    W[:, informative] = rng.standard_normal((n_tasks, n_informative))
    return _simulate(W, n_samples, noise, classification, coef, rng)


def make_low_rank(
    n_tasks: int = 10,
    n_samples: Any = 50,
    n_features: int = 20,
    *,
    rank: int = 2,
    noise: float = 1.0,
    classification: bool = False,
    coef: bool = False,
    random_state: Any = None,
) -> tuple[AnyArray, ...]:
    """Simulate tasks whose coefficients lie in a subspace of dimension `rank`.

    The coefficient matrix is the product of a (T, rank) and a (rank, d) standard normal matrix,
    divided by ``sqrt(rank)``.

    Parameters
    ----------
    n_tasks, n_samples, n_features, noise, classification, coef, random_state
        As in `make_joint_feature`, and so is what is returned.
    rank : int, default=2
        Rank of the coefficient matrix, at most the smaller of `n_tasks` and `n_features`.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.datasets import make_low_rank
    >>> *_, W = make_low_rank(rank=3, coef=True, random_state=0)
    >>> int(np.linalg.matrix_rank(W))
    3
    """
    rng = check_random_state(random_state)
    _check(Integral, 1, n_tasks=n_tasks, n_features=n_features)
    _check(Integral, 1, min(n_tasks, n_features), rank=rank)
    factors = rng.standard_normal((n_tasks, rank)), rng.standard_normal((rank, n_features))
    W = factors[0] @ factors[1] / np.sqrt(rank)
    return _simulate(W, n_samples, noise, classification, coef, rng)


def make_clustered(
    n_tasks: int = 10,
    n_samples: Any = 50,
    n_features: int = 20,
    *,
    n_clusters: int = 2,
    cluster_std: float = 3.0,
    task_std: float = 0.5,
    n_common: int = 2,
    noise: float = 1.0,
    classification: bool = False,
    coef: bool = False,
    random_state: Any = None,
) -> tuple[AnyArray, ...]:
    """Simulate clusters of tasks: a centre per cluster and small deviations of its tasks [1]_.

    Each centre has its own block of features, so that centres are orthogonal; a task deviates from
    its centre on that block and on the last `n_common` features. Task t belongs to cluster
    ``t % n_clusters``.

    Parameters
    ----------
    n_tasks, n_samples, n_features, noise, classification, coef, random_state
        As in `make_joint_feature`, and so is what is returned.
    n_clusters : int, default=2
        Number of clusters, at most `n_tasks` and ``n_features - n_common``.
    cluster_std, task_std : float, default=3.0 and 0.5
        Standard deviation of the centres' coefficients and of the tasks' deviations.
    n_common : int, default=2
        Number of features in which every task deviates and no centre takes part.

    References
    ----------
    .. [1] Jacob, L., Bach, F., Vert, J.-P. (2008). "Clustered multi-task learning: a convex
       formulation". NIPS 21, section 5.

    Examples
    --------
    >>> from malsar_py.datasets import make_clustered
    >>> *_, W = make_clustered(4, coef=True, random_state=0)
    >>> bool(((W[0] - W[2]) ** 2).sum() < ((W[0] - W[1]) ** 2).sum())
    True
    """
    rng = check_random_state(random_state)
    _check(Integral, 1, n_tasks=n_tasks, n_features=n_features)
    _check(Integral, 0, n_features - 1, n_common=n_common)
    own = n_features - n_common
    _check(Integral, 1, min(n_tasks, own), n_clusters=n_clusters)
    _check(Real, 0, cluster_std=cluster_std, task_std=task_std)
    blocks = np.zeros((n_clusters, n_features))
    for cluster, block in enumerate(np.array_split(np.arange(own), n_clusters)):
        blocks[cluster, block] = 1.0
    member = np.arange(n_tasks) % n_clusters
    centres = cluster_std * blocks * rng.standard_normal(blocks.shape)
    free = blocks[member]
    free[:, own:] = 1.0
    W = centres[member] + task_std * free * rng.standard_normal(free.shape)
    return _simulate(W, n_samples, noise, classification, coef, rng)


def make_graph(
    n_tasks: int = 10,
    n_samples: Any = 50,
    n_features: int = 20,
    *,
    graph: Any = "chain",
    smoothness: float = 10.0,
    noise: float = 1.0,
    classification: bool = False,
    coef: bool = False,
    random_state: Any = None,
) -> tuple[AnyArray, ...]:
    """Simulate tasks whose coefficients vary smoothly over a graph.

    A feature's coefficients over the tasks are drawn from ``N(0, (I + smoothness * L)^-1)``, L the
    Laplacian of the graph: the prior under which `GraphRegressor` is the posterior mode.

    Parameters
    ----------
    n_tasks, n_samples, n_features, noise, classification, coef, random_state
        As in `make_joint_feature`, and so is what is returned.
    graph : str, array, edges, networkx graph or wrapper, default="chain"
        What the parameter ``graph`` of `GraphRegressor` takes, for the tasks 0 to T - 1: pass the
        same value to both.
    smoothness : float, default=10.0
        0 for unrelated tasks; large for equal ones within each connected component.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.datasets import make_graph
    >>> *_, W = make_graph(smoothness=100.0, coef=True, random_state=0)
    >>> bool(np.abs(np.diff(W, axis=0)).mean() < np.abs(W).mean())
    True
    """
    rng = check_random_state(random_state)
    _check(Integral, 1, n_tasks=n_tasks, n_features=n_features)
    _check(Real, 0, smoothness=smoothness)
    values, vectors = np.linalg.eigh(to_laplacian(graph, np.arange(n_tasks)))
    spread = 1.0 / np.sqrt(1.0 + smoothness * np.maximum(values, 0.0))
    W = vectors @ (spread[:, None] * rng.standard_normal((n_tasks, n_features)))
    return _simulate(W, n_samples, noise, classification, coef, rng)


def _simulate(
    W: FloatArray, n_samples: Any, noise: float, classification: bool, coef: bool, rng: Any
) -> tuple[AnyArray, ...]:
    """Rows of the tasks with coefficients W (n_tasks, n_features)."""
    _check(Real, 0, noise=noise)
    counts = _row_counts(n_samples, len(W), rng)
    tasks = np.repeat(np.arange(len(W)), counts)
    X = rng.standard_normal((len(tasks), W.shape[1]))
    score = np.einsum("ij,ij->i", X, W[tasks])
    if classification:
        y = (rng.uniform(size=len(score)) < expit(score)).astype(np.int64)
        for rows in np.split(np.arange(len(y)), np.cumsum(counts)[:-1]):
            if len(rows) > 1 and y[rows].min() == y[rows].max():
                y[rows[np.argmin(np.abs(score[rows]))]] ^= 1
    else:
        y = score + noise * rng.standard_normal(len(score))
    return (X, y, tasks, W) if coef else (X, y, tasks)


def _row_counts(n_samples: Any, n_tasks: int, rng: Any) -> IntArray:
    values = np.asarray(n_samples)
    if values.dtype.kind not in "iu":
        raise TypeError(f"n_samples must be made of integers, got {n_samples!r}.")
    if values.min() < 1:
        raise ValueError(f"n_samples must be at least 1 for every task, got {n_samples!r}.")
    if isinstance(n_samples, tuple) and len(n_samples) == 2:
        low, high = n_samples
        _check(Integral, low, high=high)
        return np.asarray(rng.randint(low, high + 1, size=n_tasks), dtype=np.intp)
    if values.ndim and values.shape != (n_tasks,):
        raise ValueError(f"n_samples has shape {values.shape}, but n_tasks={n_tasks}.")
    return np.broadcast_to(values, (n_tasks,)).astype(np.intp)


def _check(kind: type, low: int, high: int | None = None, /, **values: Any) -> None:
    for name, value in values.items():
        check_scalar(value, name, kind, min_val=low, max_val=high)


def _exam_path() -> Path:
    """The file inside an installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package, package.parent):
        path = folder / "data" / "exam.csv"
        if path.is_file():
            return path
    raise FileNotFoundError(f"data/exam.csv is neither in {package} nor in {package.parent}.")


def _present(caller: str, bunch: Any, return_X_y: bool, as_frame: bool) -> Any:
    """The form asked for, from arrays and the columns of ``frame``."""
    if as_frame:
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(f"{caller} with as_frame=True requires pandas.") from error
        bunch.data = pd.DataFrame(bunch.data, columns=bunch.feature_names)
        bunch.data.insert(0, "school", bunch.tasks)
        bunch.target = pd.Series(bunch.target, name=bunch.target_names[0])
    bunch.frame = pd.DataFrame(bunch.frame) if as_frame else None
    return (bunch.data, bunch.target) if return_X_y else bunch


def _fetch(name: str, data_home: str | os.PathLike[str] | None) -> Path:
    """Path of a checked copy of the file: the user's folder, the cache, or a download."""
    url, sha256 = _REMOTE[name]
    remedy = (
        f"Download {url} yourself, put it as {name} into a folder, and set the environment "
        f"variable {_VARIABLE} to that folder."
    )
    own = os.environ.get(_VARIABLE)
    if own and (path := Path(own).expanduser() / name).is_file():
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise OSError(
                f"{path} (found by {_VARIABLE}) is not the expected file: its SHA-256 is not "
                f"{sha256}. {remedy}"
            )
        return path
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f'{name} is downloaded by pooch: pip install "malsar_py[data]". Without it: {remedy}'
        ) from error
    folder = pooch.os_cache("malsar_py") if data_home is None else Path(data_home).expanduser()
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # pooch announces each download
    try:
        downloader = pooch.HTTPDownloader(timeout=_TIMEOUT)
        path = Path(pooch.retrieve(url, f"sha256:{sha256}", name, folder, downloader=downloader))
    except (OSError, ValueError) as error:  # ValueError: pooch's word for a hash mismatch
        raise OSError(f"{name} could not be downloaded to {folder}: {error}. {remedy}") from error
    finally:
        logger.setLevel(level)
    return path
