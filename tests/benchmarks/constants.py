"""The constants that only decide how fast a fit is, with the problems that set them.

Each is changed to a quarter, half, twice and four times its value, and the fits timed beside those
with the value as it is, interleaved: a value is right where none of the others is clearly faster.
Constants of accuracy (tolerances, shares of rounding) are not tuned and not here.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from . import peer_malsar_py
from .peer import GAP
from .processes import Session, note
from .regimes import ALL
from .report import markdown

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_AS_IT_IS = FACTORS.index(1.0)
_NAMED = {problem.name: problem for problem in ALL}
_BUDGET, _LEAST_FITS, _MOST_FITS = 1.0, 3, 25


@dataclass(frozen=True)
class Tuned:
    """A number ``name`` of ``malsar_py.module``, and the problems where its choice shows."""

    module: str
    name: str
    problems: tuple[str, ...]

    @property
    def home(self) -> ModuleType:
        """The module that holds it."""
        return importlib.import_module(f"malsar_py.{self.module}")

    @property
    def value(self) -> Any:
        """What it is."""
        return getattr(self.home, self.name)


TUNED: Sequence[Tuned] = (
    # Working sets: the first one, and how many more features than needed come.
    Tuned("solvers.active_set", "_FIRST_SET", ("small /10", "mid /10", "School /10")),
    Tuned("solvers._inner", "_SPARE", ("small /50", "own mid /10")),
    # From how far above the gap that is wanted passes in single precision will do.
    Tuned("solvers.active_set", "_ROUGH", ("mid /10",)),
    # Gram matrices or rows of X: sizes up to which the one pays.
    Tuned("solvers._inner", "_LOOP_SAMPLES", ("tiny tasks Lasso", "own mid /10")),
    Tuned("solvers._inner", "_LOOP_GRAM", ("School /10", "own mid /10")),
    Tuned("solvers._inner", "_GRAMS", ("own mid /10", "Lasso T=1000")),
    Tuned("solvers._inner", "_FEW", ("very tall 1e5 x 50 x 10 /10 raw", "School /10")),
    Tuned("solvers._inner_quadratic", "WHOLE_GRAM", ("small /50", "tall /10")),
    Tuned("solvers._inner_weighted", "GRAM_FEATURES", ("logistic /10",)),
    Tuned("solvers._inner_weighted", "GRAM_SAMPLES", ("logistic /10",)),
    Tuned("solvers._inner_smooth", "_GRAM_BLOCK", ("logistic /10", "logistic small /10")),
    # From when on the support of one task's Lasso is looked for.
    Tuned("solvers._inner_quadratic", "_NEAR", ("Lasso small /10", "Lasso small /50")),
    Tuned("solvers._inner_quadratic", "_NEAR_EPOCHS", ("Lasso small /50",)),
    Tuned("solvers._inner_quadratic", "_MOST_NEAR", ("Lasso small /50", "Lasso mid /50")),
    # Rows of a Gram matrix, columns of X and numbers that are read together.
    Tuned("solvers._inner_quadratic", "_BLOCK", ("small /50", "mid /10")),
    Tuned("solvers._inner_quadratic", "_PIECE", ("mid /10", "tall /10")),
    Tuned("solvers._inner_quadratic", "_ROWS_AT_ONCE", ("mid /10",)),
    Tuned("solvers._inner_weighted", "_BLOCK", ("logistic /10",)),
    Tuned("design._ragged", "_GRAM_BLOCK", ("School /10", "MeanRegularized T=1000")),
    Tuned("_centring", "BLAS_BLOCK", ("MeanRegularized T=1000",)),
    # Epochs between two looks at the gap.
    Tuned("solvers._inner_quadratic", "_ROUND_EPOCHS", ("small /50", "mid /10")),
    Tuned("solvers._inner_weighted", "_ROUND_EPOCHS", ("logistic /10",)),
    Tuned("solvers._inner_smooth", "_NEWTON_EPOCHS", ("logistic /10",)),
    Tuned("solvers.splitting", "_CHECK_EVERY", ("clustered School",)),
    Tuned("solvers.splitting", "_MATCH", ("clustered School",)),
    Tuned("solvers.accelerated", "_CHECK_EVERY", ("trace /10",)),
    # How exactly the steps of Newton's method are computed, and when a model serves again.
    Tuned("solvers._inner_smooth", "_REDUCTION", ("logistic /10", "logistic small /10")),
    Tuned("solvers._inner_smooth", "_SAME_MODEL", ("logistic /10",)),
    # Systems of the quadratic models: which factors are kept.
    Tuned("solvers._systems", "_SMALL", ("clustered School",)),
    Tuned("solvers._systems", "_SMALL_WORK", ("MeanRegularized T=1000",)),
    Tuned("solvers._systems", "_COMMON_SIZE", ("MeanRegularized T=1000",)),
    Tuned("solvers._trees", "_FEATURES", ("chain T=1000",)),
)


def _scaled(value: Any, factor: float) -> Any:
    return max(1, round(value * factor)) if isinstance(value, int) else value * factor


def sensitivity(tuned: Tuned, name: str) -> list[float]:
    """Least CPU seconds of a fit for each factor."""
    value = tuned.value
    data = peer_malsar_py.prepare(_NAMED[name].make(0))
    times: list[list[float]] = [[] for _ in FACTORS]
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer_malsar_py.fit(data, GAP)
            while len(times[0]) < _LEAST_FITS or (
                time.process_time() - started < _BUDGET * len(FACTORS)
                and len(times[0]) < _MOST_FITS
            ):
                for factor, own in zip(FACTORS, times, strict=True):
                    setattr(tuned.home, tuned.name, _scaled(value, factor))
                    start = time.process_time()
                    peer_malsar_py.fit(data, GAP)
                    own.append(time.process_time() - start)
    finally:
        setattr(tuned.home, tuned.name, value)
    return [min(own) for own in times]


def constants_table(session: Session) -> str:
    """Times at other values over the time at the value as it is."""
    rows = []
    for tuned in TUNED:
        for name in tuned.problems:
            if _NAMED[name].missing():
                continue
            note(f"{tuned.module}.{tuned.name}, {name}")
            times = np.array(sensitivity(tuned, name))
            ratios = [f"{t / times[_AS_IT_IS]:.2f}" for t in np.delete(times, _AS_IT_IS)]
            where = f"`{tuned.module}.{tuned.name}`"
            own = f"{times[_AS_IT_IS] * 1e3:.3g}"
            rows.append([where, f"{tuned.value:g}", name, own, *ratios])
    head = ["constant", "value", "problem", "CPU ms", "a quarter", "half", "twice", "four times"]
    about = (
        "Time of a fit at other values of the constant, over the time at its value (least of "
        "interleaved repetitions, seed 0): below 1 the other value would be faster here."
    )
    return f"{about}\n\n{markdown(head, rows)}"
