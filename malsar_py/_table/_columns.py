"""Which columns are features, and which are set aside because they number, name or repeat rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import AnyArray, FloatArray, IntArray

# Texts with more values are encoded by their most frequent ones.
MANY_LEVELS = 40
# A text whose values are rarely seen twice names rows rather than describing them.
_NAMES_ROWS = 1.0 / 3.0
# Whole numbers that are all different are identifiers if they fill their range this densely; those
# that are one for each task, and not called so, this densely.
_DENSE, _DENSER = 3.0, 1.5
_ID = re.compile(
    r"(^|[^a-z])(id|ids|index|idx|rownames?|row|no|nr|uuid|guid|key)($|[^a-z])|.Id$|.ID$"
)
# Dates that skrub does not always know, such as 5-May-20, May 5, 2020, and 5/31/2020 5:00 PM.
_WRITTEN = [
    *("%d-%b-%y", "%d-%b-%Y", "%b-%y", "%b-%Y"),
    *(f"{month}{day} %Y" for month in ("%b", "%B") for day in ("", " %d", " %d,")),
    *("%d %b %Y", "%d %B %Y", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%m/%Y"),
]
# Columns of numbers that are compared with each other.
_MOST_COMPARED = 300


@dataclass(frozen=True, eq=False)
class Column:
    """A column of the table and what becomes of it.

    Attributes
    ----------
    name : str
    role : "task", "target", "feature" or "set aside"
    kind : str
        "number", "category", "text", "date"; of columns that are set aside also why in a word:
        "empty", "constant", "row number", "identifier", "repeats".
    n_missing : int
        Of the rows used.
    why : str
        A phrase, "" if there is nothing to say.
    """

    name: str
    role: str
    kind: str
    n_missing: int
    why: str = ""


def is_number(column: Any) -> bool:
    """Whether a tidy column holds numbers."""
    return column.dtype.kind in "iuf"


def is_date(column: Any) -> bool:
    """Whether a column holds dates, or texts that are."""
    if column.dtype.kind == "M":
        return True
    if is_number(column) or not column.notna().any():
        return False
    first = str(column.dropna().iloc[0])
    if not re.search(r"\d\D{1,2}\d", first):  # not even two numbers
        return False
    from skrub import ToDatetime
    from skrub.core import RejectColumn

    try:
        ToDatetime().fit_transform(column)
    except (RejectColumn, ValueError):
        return False
    return True


def written_dates(pd: Any, column: Any) -> Any:
    """Texts that are dates in words, or as Excel writes them, as dates; None if one is not.

    Where there are two ways to read a date ("May" is long and short) the transformer gives up.
    """
    known = column.dropna()
    if column.dtype.kind != "O" or not len(known) or not re.search(r"\d", known.iloc[0]):
        return None
    for form in _WRITTEN:
        try:
            pd.to_datetime(known.iloc[:1], format=form)
            return pd.to_datetime(column, format=form)
        except ValueError:
            continue
    return None


# In one piece: a list of questions, one after the other; in parts each would be told all there is.
def describe(column: Any, codes: IntArray, task: str) -> Column:
    """What a column that might be a feature is, on the rows that are used."""
    n_missing = int(column.isna().sum())
    known = column.notna().to_numpy()
    n = int(known.sum())
    if n == 0:
        return Column(column.name, "set aside", "empty", n_missing, "no values")
    levels, places = np.unique(_plain(column[known]), return_inverse=True)
    if len(levels) == 1 and n_missing == 0:
        why = f"{levels[0]} in every row"
        return Column(column.name, "set aside", "constant", n_missing, why)
    number = is_number(column)
    date = not number and is_date(column)
    if number:
        aside = _no_number(column[known].to_numpy(dtype=float), levels, str(column.name))
    else:
        aside = None if date else _no_category(len(levels), n)
    dense = 0.0 if not number else _DENSE if _ID.search(str(column.name)) else _DENSER
    if aside is None and _repeats_task(levels, places, codes[known], dense):
        aside = "repeats", f"a value of its own for every {task}"
    if aside is not None:
        return Column(column.name, "set aside", aside[0], n_missing, aside[1])
    kind, why = "number" if number else "date" if date else "category", ""
    if kind == "category" and len(levels) > MANY_LEVELS:
        kind, why = "text", f"{len(levels)} different values: the most frequent ones are told apart"
    return Column(column.name, "feature", kind, n_missing, _with_holes(why, kind, n_missing))


def _no_number(values: FloatArray, levels: AnyArray, name: str) -> tuple[str, str] | None:
    """Why numbers are no feature: kind and reason."""
    n = len(values)
    if not np.isfinite(values).all():
        return "infinite", "infinite values"
    if n < 3 or len(levels) < n or not _whole(levels):
        return None
    if (np.diff(values) > 0).all():
        return "row number", "increases with every row"
    if np.ptp(levels) < _DENSE * n or _ID.search(name):
        return "identifier", "a different whole number in every row"
    return None


def _no_category(n_levels: int, n: int) -> tuple[str, str] | None:
    """The same of texts."""
    if 2 < n_levels == n:
        return "identifier", "a different text in every row"
    if n_levels > max(MANY_LEVELS, _NAMES_ROWS * n):
        return "identifier", f"{n_levels} different texts in {n} rows"
    return None


def _with_holes(why: str, kind: str, n_missing: int) -> str:
    """The reason, and what is done about missing values."""
    if not n_missing:
        return why
    if kind in ("number", "date"):
        filled = f"{n_missing} missing: the median, and a feature that says so"
    else:
        filled = f"{n_missing} missing: a category of its own"
    return f"{why}; {filled}" if why else filled


def _plain(column: Any) -> AnyArray:
    values = column.to_numpy()
    return values if is_number(column) else np.array([str(v) for v in values])


def _whole(levels: AnyArray) -> bool:
    return bool((levels == np.rint(levels.astype(float))).all())


def _repeats_task(levels: AnyArray, places: IntArray, codes: IntArray, dense: float) -> bool:
    """Whether the values name the tasks once more: one for each.

    Texts (``dense`` = 0), or whole numbers in a range of less than ``dense`` times as many.
    """
    pairs = np.unique(np.column_stack([places, codes]), axis=0)
    n_tasks = len(np.unique(codes))
    if not len(pairs) == len(levels) == n_tasks or n_tasks < 3:
        return False
    return not dense or (_whole(levels) and bool(np.ptp(levels) < dense * n_tasks))


def repeated(frame: Any, found: list[Column]) -> dict[str, str]:
    """Numbers that are others once more, on another scale: name -> which."""
    names = [c.name for c in found if c.role == "feature" and c.kind == "number"][:_MOST_COMPARED]
    if len(names) < 2:
        return {}
    X = frame[names].to_numpy(dtype=float)
    missing = np.isnan(X)
    centred = np.where(missing, 0.0, X - np.nanmean(X, axis=0))
    length = np.linalg.norm(centred, axis=0)
    Z = centred / np.where(length > 0.0, length, 1.0)
    alike = np.abs(Z.T @ Z) > 1.0 - 1e-10
    twice: dict[str, str] = {}
    for j in range(1, len(names)):
        for i in range(j):
            if alike[i, j] and names[i] not in twice and (missing[:, i] == missing[:, j]).all():
                twice[names[j]] = names[i]
                break
    return twice


def some(values: Any, limit: int) -> str:
    """The first few values, and how many there are."""
    values = list(values)
    shown = ", ".join(map(str, values[:limit]))
    return shown + (f", ... ({len(values)} in all)" if len(values) > limit else "")
