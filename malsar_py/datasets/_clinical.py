"""Clinical scores over time: Parkinson's disease by patient, dementia by visit."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import AnyArray
from ._files import PathLike, fetch, read_columns
from ._present import one_of, present, rows_of_tasks

__all__ = ["fetch_oasis_longitudinal", "fetch_parkinsons"]

_PARKINSONS_DESCR = """\
Parkinsons telemonitoring: 5,875 voice recordings of 42 patients with early Parkinson's disease

The task is the patient (1 to 42); patients have 101 to 168 recordings over six months. Target: a
score of the Unified Parkinson's Disease Rating Scale, motor_UPDRS or total_UPDRS, interpolated
between three visits. The 19 features are age, sex (0 male, 1 female; both constant within a
patient), test_time (days since recruitment) and 16 measures of the voice, on very different
scales.
Protocol: 75 % of the recordings of each patient, drawn at random, are trained on; root mean squared
error of a patient, averaged over the patients.

Source: Tsanas, A., Little, M. A., McSharry, P. E., Ramig, L. O. (2010), "Accurate telemonitoring
of Parkinson's disease progression by noninvasive speech tests", IEEE Transactions on Biomedical
Engineering 57, 884-893. UCI Machine Learning Repository, CC BY 4.0; the copy is that of the
repository shikashyam/ParkinsonsTelemonitoring.
"""
_SCORES = ("motor_UPDRS", "total_UPDRS")

_OASIS_DESCR = """\
OASIS longitudinal: 371 visits of 150 subjects aged 60 to 98, demented or not

The task is the visit (1 to 5: 150, 143, 57, 15 and 6 subjects). Target: MMSE (Mini-Mental State
Examination, 0 to 30, 30 is best) or CDR (Clinical Dementia Rating: 0 none, 0.5 very mild, 1 mild, 2
moderate). The 7 features:

sex=M  1 for men
Age    years
EDUC   years of education
SES    socioeconomic status, 1 (highest) to 5; missing for some subjects: NaN
eTIV   estimated total intracranial volume, cm^3
nWBV   whole-brain volume divided by eTIV
ASF    atlas scaling factor, nearly proportional to 1 / eTIV

Protocol: features of the first visit predict the score at each visit, the tasks in the order of
time; subjects (`groups`) are kept whole when data are split.

Source: Marcus, D. S., Fotenos, A. F., Csernansky, J. G., Morris, J. C., Buckner, R. L. (2010),
"Open Access Series of Imaging Studies: longitudinal MRI data in nondemented and demented older
adults", Journal of Cognitive Neuroscience 22, 2677-2684. OASIS data may be used under the terms
of oasis-brains.org, which ask for acknowledgement; the copy is that of the repository
Shirly100/Predicting-Alzheimer-Disease-with-machine-learning-tools, with two visits without MMSE
left out. It is downloaded, never distributed with this package.
"""
_OASIS_TEXT = ("Subject ID", "MRI ID", "Group", "M/F", "Hand")
_OASIS_FEATURES = ("Age", "EDUC", "SES", "eTIV", "nWBV", "ASF")


def fetch_parkinsons(
    *,
    target: str = "motor_UPDRS",
    data_home: PathLike | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load the Parkinsons telemonitoring data: 42 patients, one task per patient [1]_.

    Parameters
    ----------
    target : {"motor_UPDRS", "total_UPDRS"}, default="motor_UPDRS"
        The score to predict. The other one is not a feature.
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
        As in `load_exam`, with `data` of shape (5875, 19); `tasks` are the patients 1 to 42,
        ``"subject#"`` with `as_frame`, and `frame` is the file, with both scores.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.
    ValueError
        `target` is not one of the two.

    References
    ----------
    .. [1] Tsanas, A., Little, M. A., McSharry, P. E., Ramig, L. O. (2010). "Accurate telemonitoring
       of Parkinson's disease progression by noninvasive speech tests". IEEE Transactions on
       Biomedical Engineering 57, 884-893.
    """
    one_of(target, "target", _SCORES)
    path = fetch("parkinsons_updrs.data", data_home)
    integer = ("subject#", "age", "sex")
    raw = {
        name: column.astype(np.int64 if name in integer else np.float64)
        for name, column in read_columns(path, "\t").items()
    }
    left_out = ("subject#", *_SCORES)
    bunch = rows_of_tasks(
        {name: column for name, column in raw.items() if name not in left_out},
        (target, raw[target]),
        ("subject#", raw["subject#"]),
        frame=raw,
        DESCR=_PARKINSONS_DESCR,
        filename=str(path),
    )
    return present("fetch_parkinsons", bunch, return_X_y, as_frame)


def fetch_oasis_longitudinal(
    *,
    target: str = "MMSE",
    features: str = "baseline",
    data_home: PathLike | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load OASIS longitudinal: cognitive scores of 150 subjects, one task per visit [1]_.

    Parameters
    ----------
    target : {"MMSE", "CDR"}, default="MMSE"
        The score to predict. The other one is not a feature.
    features : {"baseline", "visit"}, default="baseline"
        Features of the subject's first visit, which predict the course of the disease, or those of
        the visit itself.
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
        As in `load_exam`, with `data` of shape (371, 7), which has NaN in ``"SES"``: impute or drop
        that column; `tasks` are the visits 1 to 5, ``"Visit"`` with `as_frame`, and `frame` is the
        file. Besides, `groups` are the subjects, ndarray of shape (371,) of str.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.
    ValueError
        `target` or `features` is not one of those named.

    References
    ----------
    .. [1] Marcus, D. S., Fotenos, A. F., Csernansky, J. G., Morris, J. C., Buckner, R. L. (2010).
       "Open Access Series of Imaging Studies: longitudinal MRI data in nondemented and demented
       older adults". Journal of Cognitive Neuroscience 22, 2677-2684.
    """
    one_of(target, "target", ("MMSE", "CDR"))
    one_of(features, "features", ("baseline", "visit"))
    path = fetch("oasis_longitudinal.csv", data_home)
    raw: dict[str, AnyArray] = {}
    for name, column in read_columns(path).items():
        if name not in _OASIS_TEXT:
            column = np.where(column == "", "nan", column).astype(np.float64)
        raw[name] = column.astype(np.int64) if name == "Visit" else column
    subjects, visits = raw["Subject ID"], raw["Visit"]
    own = np.arange(len(visits))
    if features == "baseline":
        first = {subject: row for row, subject in enumerate(subjects) if visits[row] == 1}
        own = np.array([first[subject] for subject in subjects])
    bunch = rows_of_tasks(
        {
            "sex=M": raw["M/F"][own] == "M",
            **{name: raw[name][own] for name in _OASIS_FEATURES},
        },
        (target, raw[target]),
        ("Visit", visits),
        frame=raw,
        groups=subjects,
        DESCR=_OASIS_DESCR,
        filename=str(path),
    )
    return present("fetch_oasis_longitudinal", bunch, return_X_y, as_frame)
