"""Exam: inner-London schools, shipped with the package."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import AnyArray
from ._files import read_columns, shipped
from ._present import present, rows_of_tasks

__all__ = ["load_exam"]

_DESCR = """\
Exam: examination results of 4,059 pupils in 65 inner-London schools

The task is the school; schools have 2 to 198 pupils. Target `normexam`: exam score at age 16,
normalised. One variable is one feature, or one 0/1 feature per category:

schgend   girls', boys' or mixed school (constant within a school)
schavg    school average of the intake score (constant within a school)
vr        band of the school's average intake score (constant within a school)
intake    band of the pupil's verbal reasoning score at intake, its labels reversed: see below
standLRT  London Reading Test score of the pupil, standardised
sex       F or M
type      Mxd (mixed) or Sngl (single-sex) school (constant within a school)

The labels of `intake` are the wrong way round in the source: pupils marked "bottom 25%" have a mean
standLRT of 0.92 and a mean normexam of 0.74, those marked "top 25%" -1.33 and -0.99. In MLwiN's
tutorial data, the same pupils, the band is `vrband`: vb1 = top 25%, vb2 = middle 50%, vb3 = bottom
25%; and what is `vr` here is `schav` there, the band of the school's average, though the source
calls it the pupil's. The labels are left as they are published: read a coefficient of
"intake=bottom 25%" as one of the top band.

`student` is an identifier and not a feature. Source: Goldstein, H. et al. (1993), "A multilevel
analysis of school examination results", Oxford Review of Education 19, 425-433; the table `Exam` of
the R package mlmRev.
"""
_INTEGER = ("school", "student")
_CATEGORICAL = ("schgend", "vr", "intake", "sex", "type")


def load_exam(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the Exam data: 4,059 pupils in 65 inner-London schools, one task per school.

    Categories are one-hot encoded with names like ``"vr=mid 50%"``: 15 numeric features, the same
    with and without `as_frame`. Only where the school label stands differs. The labels of `intake`
    are reversed in the source: "bottom 25%" is the top band (`DESCR` has the evidence).

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
        A Bunch has these entries.

        data : ndarray of shape (4059, 15), or DataFrame of shape (4059, 16) with the school
        target : ndarray of shape (4059,) or Series, `normexam`
        tasks : ndarray of shape (4059,), the schools 1 to 65, for the keyword ``tasks=``
        feature_names : list of 15 str, without the school
        task_name : "school", the column of ``as_frame`` with the tasks
        target_names : list of str
        frame : with `as_frame` the file as it is, categories as strings: (4059, 10)
        DESCR, filename : str.

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
    path = shipped("exam.csv")
    raw: dict[str, AnyArray] = {}
    features: dict[str, AnyArray] = {}
    for name, column in read_columns(path).items():
        if name in _CATEGORICAL:
            features |= {f"{name}={level}": column == level for level in np.unique(column)}
            raw[name] = column
        else:
            raw[name] = column.astype(np.int64 if name in _INTEGER else np.float64)
            features[name] = raw[name]
    for name in ("school", "student", "normexam"):
        del features[name]
    bunch = rows_of_tasks(
        features,
        ("normexam", raw["normexam"]),
        ("school", raw["school"]),
        frame=raw,
        DESCR=_DESCR,
        filename=str(path),
    )
    return present("load_exam", bunch, return_X_y, as_frame)
