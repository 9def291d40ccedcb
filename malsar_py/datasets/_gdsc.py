"""GDSC: how cancer cell lines respond to drugs."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._typing import AnyArray
from ._files import PathLike, fetch, read_columns
from ._present import present

__all__ = ["fetch_gdsc"]

_DESCR = """\
GDSC, release 17: response of 988 cancer cell lines to 265 drugs

The task is the drug: one column of the target, the natural logarithm of the IC50 (in micromolar),
NaN where the cell line was not tried (18 %). All tasks share the 678 features of the cell lines,
0 or 1: microsatellite instability (MSI_FACTOR), mutated cancer genes (`..._mut`) and gained or
lost segments of chromosomes. The tissue of origin, a text, is beside them.
Protocol: cell lines are split, the same for all drugs; the measured responses alone are scored.

Source: Iorio, F. et al. (2016), "A landscape of pharmacogenomic interactions in cancer", Cell
166, 740-754; Genomics of Drug Sensitivity in Cancer, cancerrxgene.org. The files are those of the
package gdsctools (BSD; version 1.0.1 on PyPI holds them in gdsctools/data/). They are downloaded,
never distributed with this package.
"""


def fetch_gdsc(
    *, data_home: PathLike | None = None, return_X_y: bool = False, as_frame: bool = False
) -> Any:
    """Load GDSC, release 17: 988 cancer cell lines, one task per drug, 265 in all [1]_.

    The tasks are the columns of the target and share the features: ``model.fit(data, target)``.

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
        A Bunch has these entries.

        data : ndarray of shape (988, 678) of 0 and 1
        target : ndarray of shape (988, 265), log IC50, NaN where it was not measured
        tasks : ndarray of shape (265,) of str, the drugs: labels of the *columns* of the target
        groups : ndarray of shape (988,) of str, the tissue of each cell line
        index : ndarray of shape (988,), the COSMIC numbers of the lines; the index of frames
        feature_names, target_names : list of str
        frame : with `as_frame` features and targets joined: (988, 943)
        DESCR : str
        filename : list of the two files.

    Raises
    ------
    OSError
        A file is not on disk and cannot be downloaded, or it is not the right one.

    References
    ----------
    .. [1] Iorio, F. et al. (2016). "A landscape of pharmacogenomic interactions in cancer". Cell
       166, 740-754.
    """
    names = ("genomic_features_v17.csv.gz", "IC50_v17.csv.gz")
    paths = [fetch(name, data_home) for name in names]
    genes, response = (read_columns(path) for path in paths)
    lines = genes.pop("COSMIC_ID").astype(np.int64)
    tissue = genes.pop("TISSUE_FACTOR")
    # The two files have the same cell lines in different orders.
    tried = response.pop("COSMIC_ID").astype(np.int64)
    rows = np.argsort(tried)[np.searchsorted(np.sort(tried), lines)]
    data, target = _numbers(genes), _numbers(response)[rows]
    drugs = [name.removesuffix("_IC50") for name in response]
    bunch = Bunch(
        data=data,
        target=target,
        tasks=np.array(drugs),
        groups=tissue,
        index=lines,
        frame=dict(zip([*genes, *drugs], [*data.T, *target.T], strict=True)),
        feature_names=list(genes),
        target_names=drugs,
        DESCR=_DESCR,
        filename=[str(path) for path in paths],
    )
    return present("fetch_gdsc", bunch, return_X_y, as_frame)


def _numbers(columns: dict[str, AnyArray]) -> AnyArray:
    """The columns as an array of float64; an empty text is NaN."""
    texts = np.column_stack(list(columns.values()))
    return np.where(texts == "", "nan", texts).astype(np.float64)
