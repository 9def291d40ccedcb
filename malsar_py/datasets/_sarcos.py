"""SARCOS: torques at the seven joints of a robot's arm."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._files import PathLike, fetch
from ._present import present, rows_of_tasks

__all__ = ["fetch_sarcos_subset"]

_DESCR = """\
SARCOS, a subset: torques at the seven joints of a robot's arm

The task is the joint (1 to 7). The 21 features are the positions (x0 to x6), velocities (x7 to
x13) and accelerations (x14 to x20) of the joints; the target is the torque at the joint of the
row. Of the public data's 44,484 states, this subset has 6,228 rows, 841 to 946 for a joint, each
with a torque of one joint: the tasks have different rows.
Protocol: a part of the rows of each joint, drawn at random, is trained on. Torques differ in size
between the joints: compare errors relative to the variance of each.

Source: Vijayakumar, S., D'Souza, A., Schaal, S. (2005), "Incremental online learning in high
dimensions", Neural Computation 17, 2602-2634; the subset is that of the repository
squall1988/multi-task-gradient-boosting. No licence is stated: it is downloaded, never distributed
with this package.
"""


def fetch_sarcos_subset(
    *, data_home: PathLike | None = None, return_X_y: bool = False, as_frame: bool = False
) -> Any:
    """Load a subset of SARCOS: torques at the seven joints of an arm, one task per joint [1]_.

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
        As in `load_exam`, with `data` of shape (6228, 21), features ``"x0"`` to ``"x20"``; `target`
        is the torque; `tasks` are the joints 1 to 7, ``"joint"`` with `as_frame`. Rows are in the
        order of the file, in which the tasks are mixed.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.

    References
    ----------
    .. [1] Vijayakumar, S., D'Souza, A., Schaal, S. (2005). "Incremental online learning in high
       dimensions". Neural Computation 17, 2602-2634.
    """
    path = fetch("sub_sarcos.csv", data_home)
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    *columns, torque, joint = table.T.copy()
    bunch = rows_of_tasks(
        {f"x{j}": column for j, column in enumerate(columns)},
        ("torque", torque),
        ("joint", joint.astype(np.int64)),
        DESCR=_DESCR,
        filename=str(path),
    )
    return present("fetch_sarcos_subset", bunch, return_X_y, as_frame)
