"""Grouse ticks: counts of parasites on red grouse chicks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._files import PathLike, fetch, read_columns
from ._present import present, rows_of_tasks

__all__ = ["fetch_grouseticks"]

_DESCR = """\
Grouse ticks: numbers of ticks on the heads of 403 red grouse chicks, Scotland 1995-1997

The task is the place (1 to 63; 1 to 24 chicks). Target `TICKS`: number of ticks on the chick's
head, 0 to 85. The 3 features: HEIGHT, metres above sea level, is that of the place and constant
within it, so that its effect needs shrunk intercepts; year=96 and year=97 are 1 for chicks of that
year. `groups` are the 118 broods: chicks of one brood were caught together, at one place.
Protocol: Poisson regression with the height of the place; broods are kept whole when data are
split.

Source: Elston, D. A., Moss, R., Boulinier, T., Arrowsmith, C., Lambin, X. (2001), "Analysis of
aggregation, a worked example: numbers of ticks on red grouse chicks", Parasitology 122, 563-569.
The file is that of the repository vincentarelbundock/Rdatasets (`grouseticks` of R's lme4); it is
downloaded, never distributed with this package.
"""


def fetch_grouseticks(
    *, data_home: PathLike | None = None, return_X_y: bool = False, as_frame: bool = False
) -> Any:
    """Load the grouse ticks: counts on 403 chicks at 63 places, one task per place [1]_.

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
        As in `load_exam`, with `data` of shape (403, 3); `target` are counts; `tasks` are the
        places 1 to 63, ``"LOCATION"`` with `as_frame`, and `frame` is the file. Besides, `groups`
        are the broods, ndarray of shape (403,) of int.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.

    References
    ----------
    .. [1] Elston, D. A., Moss, R., Boulinier, T., Arrowsmith, C., Lambin, X. (2001). "Analysis of
       aggregation, a worked example: numbers of ticks on red grouse chicks". Parasitology 122,
       563-569.
    """
    path = fetch("grouseticks.csv", data_home)
    raw = {
        name: column.astype(np.float64 if name == "cHEIGHT" else np.int64)
        for name, column in read_columns(path).items()
        if name != "rownames"
    }
    bunch = rows_of_tasks(
        {
            "HEIGHT": raw["HEIGHT"],
            **{f"year={year}": raw["YEAR"] == year for year in (96, 97)},
        },
        ("TICKS", raw["TICKS"].astype(np.float64)),
        ("LOCATION", raw["LOCATION"]),
        frame=raw,
        groups=raw["BROOD"],
        DESCR=_DESCR,
        filename=str(path),
    )
    return present("fetch_grouseticks", bunch, return_X_y, as_frame)
