"""Landmine: mines and clutter in 29 fields, from radar."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._files import PathLike, fetch
from ._present import present, rows_of_tasks, stack

__all__ = ["fetch_landmine"]

_DESCR = """\
Landmine: 14,820 objects in 29 fields, seen by an airborne synthetic-aperture radar

The task is the field (1 to 29; 1 to 15 are foliated, 16 to 29 bare earth or desert). Target: 1
for a mine (6 % of the objects), 0 for clutter. The 9 features of an object are, in the paper,
four of moments, three of correlations, an energy ratio and a spatial variance; the file does not
name them. Protocol: a few objects of each field, with at least one of each class, are trained on,
the others tested; area under the ROC curve, averaged over the fields.

Source: Xue, Y., Liao, X., Carin, L., Krishnapuram, B. (2007), "Multi-task learning for
classification with Dirichlet process priors", JMLR 8, 35-63; the file is that of the repository
daizhongxiang/Federated_Bayesian_Optimization. No licence is stated: it is downloaded, never
distributed with this package.
"""


def fetch_landmine(
    *, data_home: PathLike | None = None, return_X_y: bool = False, as_frame: bool = False
) -> Any:
    """Load the landmine data: 14,820 objects in 29 fields, one binary task per field [1]_.

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
        As in `load_exam`, with `data` of shape (14820, 9), features ``"x0"`` to ``"x8"``; `target`
        is 1 for a mine (904 objects) and 0 for clutter; `tasks` are the fields 1 to 29,
        ``"field"`` with `as_frame`.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.

    References
    ----------
    .. [1] Xue, Y., Liao, X., Carin, L., Krishnapuram, B. (2007). "Multi-task learning for
       classification with Dirichlet process priors". JMLR 8, 35-63.
    """
    from scipy.io import loadmat

    path = fetch("LandmineData.mat", data_home)
    file = loadmat(path)
    features, labels, tasks = stack(file["feature"].ravel(), file["label"].ravel())
    bunch = rows_of_tasks(
        features,
        ("mine", labels.astype(np.int64)),
        ("field", tasks),
        DESCR=_DESCR,
        filename=str(path),
    )
    return present("fetch_landmine", bunch, return_X_y, as_frame)
