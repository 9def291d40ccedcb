"""School: ILEA's secondary schools, and the ten published splits of their pupils."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import IntArray
from ._files import PathLike, fetch, shipped
from ._present import present, rows_of_tasks, stack

__all__ = ["fetch_school", "load_school_splits"]

_DESCR = """\
School: examination scores of 15,362 pupils in 139 secondary schools, London 1985-1987

The task is the school (1 to 139); schools have 22 to 251 pupils. Target: exam score, 1 to 70. The
28 columns are those of MALSAR's file: 25 of 0/1, two percentages of the school (3 and 4) and a
constant (27).
Protocol: ten random splits with 75 % of the pupils for training (`load_school_splits` has ten
published ones). The literature measures the error on two scales: the root mean squared error of a
school averaged over the schools, or the explained variance pooled over the pupils, relative to the
overall mean or to each school's own.

Source: Nuttall, D. L., Goldstein, H., Prosser, R., Rasbash, J. (1989), "Differential school
effectiveness", International Journal of Educational Research 13, 769-776; collected by the Inner
London Education Authority (ILEA). The file is that of the repository jiayuzhou/MALSAR; it is
downloaded, never distributed with this package.
"""


def fetch_school(
    *,
    data_home: PathLike | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load the School data: 15,362 pupils in 139 secondary schools, one task per school.

    Parameters
    ----------
    data_home : path, default=None
        Cache folder; None is the user's cache folder for malsar_py. A file is taken from the folder
        named by the environment variable ``MALSAR_PY_DATA`` if it is there, else from `data_home`,
        where it is downloaded once (by pooch: ``pip install "malsar_py[data]"``). Its SHA-256 is
        checked every time.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas objects; where every row belongs to one task, the first column of `data` is
        the task, ready for ``task_column=bunch.task_name``.

    Returns
    -------
    Bunch or (data, target)
        As in `load_exam`, with `data` of shape (15362, 28), features ``"x0"`` to ``"x27"`` (the
        file names none), and exam scores of 1 to 70 as target; `frame` joins school, features and
        target.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.

    References
    ----------
    .. [1] Nuttall, D. L., Goldstein, H., Prosser, R., Rasbash, J. (1989). "Differential school
       effectiveness". International Journal of Educational Research 13, 769-776.
    """
    from scipy.io import loadmat

    path = fetch("school.mat", data_home)
    cells = loadmat(path, mat_dtype=True)
    features, target, tasks = stack(cells["X"].ravel(), cells["Y"].ravel())
    bunch = rows_of_tasks(
        features,
        ("score", target.astype(np.float64)),
        ("school", tasks),
        DESCR=_DESCR,
        filename=str(path),
    )
    return present("fetch_school", bunch, return_X_y, as_frame)


def load_school_splits() -> list[tuple[IntArray, IntArray]]:
    """Load the ten published 75/25 splits of the School data.

    Row numbers of `fetch_school`, 11,521 pupils for training and 3,841 for testing in each split,
    from 52 to 93 % of a school's for training. They come with the code of [1]_, the repository
    squall1988/multi-task-gradient-boosting; the masks alone are shipped, not the data.

    Returns
    -------
    splits : list of 10 (train, test)
        Sorted row numbers, ready for scikit-learn's ``cv=``.

    References
    ----------
    .. [1] Zhang, Li (2019). The code of their paper at CIKM 2019, whose table of errors on these
       splits stands in its README.

    Examples
    --------
    >>> from malsar_py.datasets import load_school_splits
    >>> splits = load_school_splits()
    >>> len(splits), [len(rows) for rows in splits[0]]
    (10, [11521, 3841])
    """
    with np.load(shipped("school_splits10_squall1988.npz")) as file:
        masks = file["train_mask"]
    return [(np.flatnonzero(mask), np.flatnonzero(~mask)) for mask in masks]
