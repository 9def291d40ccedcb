"""Computer survey: how likely each of 190 persons is to buy each of 20 computers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._files import PathLike, fetch
from ._present import present, rows_of_tasks

__all__ = ["fetch_computer_survey"]

_DESCR = """\
Computer survey: 190 persons rated 20 hypothetical personal computers

The task is the person (1 to 190). Target `likelihood`: how likely the person is to buy the
computer, 0 to 10. All persons rated the same 20 computers, in the same order: 13 attributes at
two levels, -1 and 1, and no constant (the file's first column, all 1, is left out):

hot_line, ram, screen_size, cpu_speed, hard_disk, cd_rom, cache, color_of_unit, availability,
warranty, software, guarantee, price

The file does not name its columns: these are the attributes in the order in which the paper lists
them. Protocol: of the 20 ratings of a person, some are trained on and the rest are tested.

Source: Lenk, P. J., DeSarbo, W. S., Green, P. E., Young, M. R. (1996), "Hierarchical Bayes conjoint
analysis: recovery of partworth heterogeneity from reduced experimental designs", Marketing Science
15, 173-191; the file is that of the repository probml/pmtkdata. No licence is stated: it is
downloaded, never distributed with this package.
"""
_ATTRIBUTES = (
    *("hot_line", "ram", "screen_size", "cpu_speed", "hard_disk", "cd_rom", "cache"),
    *("color_of_unit", "availability", "warranty", "software", "guarantee", "price"),
)


def fetch_computer_survey(
    *, data_home: PathLike | None = None, return_X_y: bool = False, as_frame: bool = False
) -> Any:
    """Load the computer survey: 20 ratings of each of 190 persons, one task per person [1]_.

    Every person rated the same 20 computers, which are described by 13 attributes of two levels.

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
        As in `load_exam`, with `data` of shape (3800, 13), -1 and 1; `target` is the likelihood of
        purchase, 0 to 10; `tasks` are the persons 1 to 190, ``"person"`` with `as_frame`. Rows are
        in the order of the persons, and the 20 computers of each in the same order:
        ``target.reshape(190, 20).T`` is the target of a shared ``X = data[:20]``.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.

    References
    ----------
    .. [1] Lenk, P. J., DeSarbo, W. S., Green, P. E., Young, M. R. (1996). "Hierarchical Bayes
       conjoint analysis: recovery of partworth heterogeneity from reduced experimental designs".
       Marketing Science 15, 173-191.
    """
    from scipy.io import loadmat

    path = fetch("conjointAnalysisComputerBuyers.mat", data_home)
    file = loadmat(path)
    ratings = file["likeBuy"].astype(np.float64)  # (persons, computers)
    design = file["designMarix"][:, 1:].astype(np.float64)  # spelt like that in the file
    n_persons, n_computers = ratings.shape
    columns = np.tile(design, (n_persons, 1)).T
    bunch = rows_of_tasks(
        dict(zip(_ATTRIBUTES, columns, strict=True)),
        ("likelihood", ratings.ravel()),
        ("person", np.repeat(np.arange(1, n_persons + 1), n_computers)),
        DESCR=_DESCR,
        filename=str(path),
    )
    return present("fetch_computer_survey", bunch, return_X_y, as_frame)
