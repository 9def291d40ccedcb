"""Fits by batches to more features than products of all pairs allow: working sets over passes.

A pass takes the gradient of all features at a point, and the summary of working responses of some:
those that the penalty left and those that the last pass's gradient calls for. The next point
solves the model on these; when no other feature is called for, a last pass gives the certificate
[1]_.

References
----------
.. [1] T. B. Johnson, C. Guestrin, "Blitz: a principled meta-algorithm for scaling sparse
   optimization", ICML 2015.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ..penalties import Penalty
from ..solvers import norm_code
from ._batches import BatchFit, State, Step

# The first working set: so many features at least, or this share of the root of W's size.
_FEWEST, _FIRST = 10, 1.0 / 3.0
# Beyond its threshold by so many `tol`, a gradient calls for its feature.
_BEYOND = 0.5


@dataclass(eq=False)
class WideFit(BatchFit):
    """The fits to a source of wide data: each has its working set."""

    n_fits: int = 1  # that share the room

    def check_room(self) -> None:
        if self.loss.n_columns > 1:
            raise MemoryError(
                f"{type(self.model).__name__} takes sparse batches, and more features than "
                "max_memory allows products of all pairs, for two classes only: here are "
                f"{self.loss.n_columns}. Fit one class against the others, or raise max_memory."
            )

    def share_room(self, n_fits: int) -> int:
        self.n_fits = n_fits
        return n_fits

    def _at_first(self) -> IntArray | None:
        return np.empty(0, np.intp)

    def _called(
        self, penalty: Penalty, state: State, W: FloatArray
    ) -> tuple[IntArray | None, bool]:
        d, T = self.shape
        structure, known = penalty.structure, state.features
        assert structure is not None and known is not None
        code = norm_code(structure)
        G = np.ascontiguousarray(state.sums.gradient.sum(axis=0))
        sizes, none = np.empty(d), np.zeros(d, np.bool_)
        _kernels.row_norms.survey(code, G, structure.row_thresholds(d), none, sizes)
        active = W.any(axis=1)
        n_active = int(np.count_nonzero(active))
        score = np.where(active, np.inf, sizes)
        calling = int(np.count_nonzero(score > 1.0)) - n_active
        least = max(_FEWEST, int(np.sqrt(d * T) * _FIRST))
        wanted = max(least, 2 * n_active, min(n_active + calling, 2 * len(known)))
        most = int(np.sqrt(self.room / (8.0 * T * self.n_fits))) - 1
        outside = sizes > 1.0 + _BEYOND * self.model.tol
        outside[known] = False
        lacks = bool(outside.any()) or not len(known)
        if n_active + lacks > most:
            share = f" / {self.n_fits}, for each lambda1" if self.n_fits > 1 else ""
            raise MemoryError(
                f"The moments of the working set, {n_active} features in {T} tasks and more to "
                f"come, take 8 x {T} x {n_active + 2}^2 = {8 * T * (n_active + 2) ** 2} bytes, "
                f"more than max_memory={self.room}{share}: raise lambda1 or max_memory."
            )
        n = min(wanted, most, d)
        return np.sort(np.argpartition(score, d - n)[d - n :]), lacks

    def _model_step(self, penalty: Penalty, state: State, W: FloatArray | None, tol: float) -> Step:
        d, some = self.shape[0], state.features
        assert some is not None
        own = None if W is None else W[some]
        step = super()._model_step(penalty.restrict(some), state, own, tol)
        assert step.objective is not None
        whole = np.zeros((d, step.W.shape[1]))
        whole[some] = step.W
        return replace(step, W=whole, objective=step.objective.with_penalty(penalty))
