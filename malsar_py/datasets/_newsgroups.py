"""Newsgroups: pairs of related two-class problems over one vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._files import PathLike, fetch
from ._present import one_of, present, rows_of_tasks, stack

__all__ = ["fetch_newsgroups_pairs"]

_PAIRS = ("comp.vs.sci", "rec.vs.talk")
_DESCR = """\
Newsgroups, {pair}: two related two-class problems from 20 Newsgroups

The two tasks (1 and 2) tell the same two top-level groups, {pair}, apart in postings of different
subgroups. Features `w0` to `w1999`: how often each of 2,000 words occurs in the posting; the file
names neither the words nor the classes. Target: the class, 1 or 2, of the file. Protocol:
multi-task clustering sees no labels and is measured by accuracy under the best matching of
clusters and classes, and by normalised mutual information.

Source: Gu, Q., Zhou, J. (2009), "Learning the shared subspace for multi-task clustering and
transductive transfer classification", ICDM, 159-168; the files are those of the repository
jiayuzhou/MALSAR. They are downloaded, never distributed with this package.
"""


def fetch_newsgroups_pairs(
    pair: str = "comp.vs.sci",
    *,
    data_home: PathLike | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load two related text problems of two classes each, over the same 2,000 words [1]_.

    Parameters
    ----------
    pair : {"comp.vs.sci", "rec.vs.talk"}, default="comp.vs.sci"
        The two classes. Each of the two tasks has them, in postings of other subgroups.
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
        As in `load_exam`, with `data` the counts of words, a dense array of shape (3702, 2000) for
        ``"comp.vs.sci"`` and (3389, 2000) for ``"rec.vs.talk"`` (about 60 MB); features ``"w0"`` to
        ``"w1999"``; `target` is the class, 1 or 2; `tasks` are 1 and 2, ``"task"`` with `as_frame`;
        `filename` is a list of the two files.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.
    ValueError
        `pair` is not one of the two.

    References
    ----------
    .. [1] Gu, Q., Zhou, J. (2009). "Learning the shared subspace for multi-task clustering and
       transductive transfer classification". ICDM, 159-168.
    """
    from scipy.io import loadmat

    one_of(pair, "pair", _PAIRS)
    paths = [fetch(f"newsgroup/{pair}.task{t}.mat", data_home) for t in (1, 2)]
    files = [loadmat(path) for path in paths]
    counts, labels = [file["fea"].toarray() for file in files], [file["gnd"] for file in files]
    features, target, tasks = stack(counts, labels, prefix="w")
    bunch = rows_of_tasks(
        features,
        ("class", target.astype(np.int64)),
        ("task", tasks),
        DESCR=_DESCR.format(pair=pair),
        filename=[str(path) for path in paths],
    )
    return present("fetch_newsgroups_pairs", bunch, return_X_y, as_frame)
