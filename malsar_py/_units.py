"""Units of computation: data of any scale a float can hold are solved at scales where squares fit.

Powers of two change no digit. Data and weights of ordinary size are left as they are; others are
divided by a power of two each, and the strengths of the penalty follow: W is then in units of y
over X, and the objective in units of its own.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import _kernels
from ._sparse import is_sparse
from ._tasks import TaskRows
from ._typing import AnyArray, FloatArray

# Exponents of two up to which largest values are left as they are: no square or product of a solver
# overflows from there, in single precision either.
_ORDINARY = 40
# A feature this much smaller than the largest one has no squares beside it.
_VANISHING = -330
# In so many rows, or so many values of all features, one that is not nearly always zero shows its
# size.
_SOME_ROWS, _SOME_VALUES = 4, 4096
# Strengths in units of computation, with room for sums and quotients: beyond, a penalty is at its
# limit.
_LEAST, _MOST = 1e-300, 1e300


@dataclass(frozen=True)
class Units:
    """Exponents of two, all even: what X, y and the weights of the tasks are divided by.

    The loss grows with the power ``degree`` of y; with 0, y has no unit.
    """

    x: int = 0
    y: int = 0
    weight: int = 0
    degree: int = 0

    @property
    def plain(self) -> bool:
        """Whether everything is left as it is."""
        return self.x == self.y == self.weight == 0

    @property
    def coefficients(self) -> int:
        """Exponent of the coefficients."""
        return self.y - self.x

    @property
    def objective(self) -> int:
        """Exponent of the objective."""
        return self.degree * self.y + self.weight

    def strength(self, value: float, power: float) -> float:
        """The strength of a penalty that grows with this power of W, in these units."""
        if value == 0.0:
            return 0.0
        found = scaled(float(value), int(power * self.coefficients) - self.objective)
        return min(max(found, _LEAST), _MOST)

    def of_intercepts(self, kappa: float) -> float:
        """The strength of squares of intercepts, in these units."""
        if kappa in (0.0, np.inf):
            return kappa
        return min(max(scaled(kappa, 2 * self.y - self.objective), _LEAST), _MOST)

    def given(self, value: float, power: float) -> float:
        """What :meth:`strength` makes ``value`` of."""
        return scaled(value, self.objective - int(power * self.coefficients))

    def linear(self, value: float) -> float:
        """The strength of a term linear in W, given that of one in its root."""
        return scaled(value, self.coefficients // 2)

    def size(self, value: float) -> float:
        """A size of coefficients, in these units."""
        if value == 0.0:
            return 0.0
        return min(max(scaled(float(value), -self.coefficients), _LEAST), _MOST)


PLAIN = Units()


def scaled(value: float, exponent: int) -> float:
    """``value 2^exponent``; infinite where that is too large for a float."""
    if exponent == 0:
        return float(value)
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(value, exponent))


def shifted(values: FloatArray, exponent: int) -> FloatArray:
    """``values 2^exponent``, the array itself for exponent 0."""
    if exponent == 0:
        return values
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, exponent)


def into_units(
    rows: TaskRows, omega: FloatArray, degree: int
) -> tuple[TaskRows, FloatArray, Units]:
    """The data and the weights of the tasks in units that suit them, and these."""
    if _is_ordinary(rows):
        return targets_into_units(rows, omega, degree)
    sparse = is_sparse(rows.X)
    if sparse:
        sizes = abs(rows.X).max(axis=0).toarray().ravel()
    else:
        sizes = np.empty(rows.X.shape[1])
        if rows.X.flags.c_contiguous:
            _kernels.blocks.column_sizes(rows.X, sizes)
        else:
            sizes = np.maximum(rows.X.max(axis=0), -rows.X.min(axis=0))
    largest = float(sizes.max())
    rows, omega, units = targets_into_units(rows, omega, degree)
    units = replace(units, x=_even(largest))
    X, own = rows.X, rows.own or units.x != 0
    if units.x != 0:
        X = _shifted_sparse(X, -units.x) if sparse else shifted(X, -units.x)
    tiny = (sizes > 0.0) & (sizes < scaled(largest, _VANISHING))
    if tiny.any():
        X = _without(X, tiny) if sparse else np.where(tiny, 0.0, X)
        own = True
        _tell_of_tiny(rows.feature_names[tiny])
    means = rows.stands_for
    if means is not None:
        means = replace(means, X=shifted(means.X, -units.x), y=shifted(means.y, -units.y))
    return replace(rows, X=X, own=own, stands_for=means), omega, units


def _shifted_sparse(X: Any, exponent: int) -> Any:
    other = X.copy()
    other.data = shifted(X.data, exponent)
    return other


def _without(X: Any, features: AnyArray) -> Any:
    """Sparse X with zeros in some features."""
    other = X.copy()
    other.data[features[X.indices]] = 0.0
    other.eliminate_zeros()
    return other


def _is_ordinary(rows: TaskRows) -> bool:
    """Whether X is of ordinary size, as some of its rows and what is known of all of them tell."""
    if not rows.bound < 2.0 ** (_ORDINARY - 1):
        return False
    # Spread over all: rows are sorted by task, and a task may be all there is of a feature.
    n_rows, d = rows.X.shape
    some = rows.X[:: max(1, n_rows // max(_SOME_ROWS, _SOME_VALUES // d))]
    small = np.flatnonzero(np.abs(some).max(axis=0) <= 2.0**-_ORDINARY)
    if not small.size:
        return True
    if 4 * small.size > d:
        return False
    sizes = np.abs(rows.X[:, small]).max(axis=0)
    return bool(((sizes == 0.0) | (sizes > 2.0**-_ORDINARY)).all())


def targets_into_units(
    rows: TaskRows, omega: FloatArray, degree: int
) -> tuple[TaskRows, FloatArray, Units]:
    """The same with X as it is."""
    largest = float(np.abs(rows.y).max()) if degree else 0.0
    units = Units(0, _even(largest), _even(float(omega.max())), degree)
    if units.y != 0:
        rows = replace(rows, y=shifted(rows.y, -units.y))
    return rows, shifted(omega, -units.weight), units


def _even(largest: float) -> int:
    """The even exponent of two of a value, 0 where it is ordinary."""
    exponent = math.frexp(largest)[1]
    return 0 if largest == 0.0 or abs(exponent) <= _ORDINARY else 2 * (exponent // 2)


def _tell_of_tiny(names: AnyArray) -> None:
    more = f" ({len(names)} such features)" if len(names) > 1 else ""
    warnings.warn(
        f"Feature {names[0]!s} of X is too small beside the largest one{more}: floats do not hold "
        "its squares, so it is taken for zero. Rescale the features (StandardScaler).",
        UserWarning,
        stacklevel=7,
    )
