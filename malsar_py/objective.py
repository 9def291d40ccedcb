"""The smooth function of a fit and its certificate: loss + design + quadratic terms.

Solvers see W only: intercepts are minimised out at every evaluation. ``lift`` is the one linear map
they need; keeping lifted points lets them extrapolate without passing over X again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Self

import numpy as np

from . import _kernels
from ._certificates import Certificate as Certificate
from ._certificates import DualPoint as DualPoint
from ._certificates import Pass as Pass
from ._certificates import duality_gap as duality_gap
from ._linalg import conjugate_gradients
from ._protocols import Basis as Basis
from ._protocols import Penalty as Penalty
from ._protocols import Quadratic as Quadratic
from ._protocols import Rows as Rows
from ._protocols import Structure as Structure
from ._typing import AnyArray, FloatArray, IntArray
from .design import Design
from .hessian import Hessian
from .intercepts import Intercepts, Tie, make_intercepts
from .losses import Evaluation, Loss, Squared
from .smooth import Affine, Smooth, dual_of_squares, point_of_squares

_POWER_STEPS = 20
# Exact eigenvalues of the Gram matrices when they cost fewer operations than this.
_EXACT_EIGEN = 2e7
# Below this share of the values that a fall is the difference of, it is rounding.
_ROUNDING = 16.0 * np.finfo(float).eps
# Newton's steps by conjugate gradients are as good as this share.
_STEP_LEFT = 1e-4


class Objective(Smooth):
    """A loss of a design and targets: what solvers ask of a fit, beside what ``Smooth`` says.

    In W itself (``WholeObjective``), or in its parts (``parts.PartsObjective``).

    Attributes
    ----------
    design, loss, y, c, fit_intercept, shrinkage, intercepts
        What it is made of: see :func:`make_objective`.
    """

    design: Design
    loss: Loss
    y: FloatArray
    c: FloatArray
    fit_intercept: bool
    shrinkage: float
    intercepts: Intercepts

    @abstractmethod
    def coefficients(self, W: FloatArray) -> FloatArray:
        """Coefficients (n_features, n_tasks) for the variable of a solver."""

    @abstractmethod
    def pass_at(self, z: FloatArray | None, rough: bool = False) -> Pass:
        """One pass over X at predictions ``z``, None at W = 0.

        ``rough``: in single precision, where that is faster.
        """

    @abstractmethod
    def dual_of(self, found: Pass, inner: float) -> Callable[[float], float]:
        """``-sum conj(-alpha theta)`` as a function of alpha; ``inner`` is ``<W, X' theta>``."""

    @abstractmethod
    def loss_at(self, z: FloatArray, start: FloatArray | None = None) -> Evaluation:
        """The loss at predictions z: value, minus its derivative, best intercepts.

        Those are searched from ``start``, or from the last ones.
        """

    @abstractmethod
    def on(self, design: Design, features: IntArray) -> Self:
        """The problem over some features, on a design of these."""

    @abstractmethod
    def _point(self, W: FloatArray, value: float, theta: FloatArray) -> DualPoint:
        """The dual point of theta, made feasible in place, with the loss at W."""

    @property
    def affine(self) -> bool:
        """Whether the gradient is affine in W."""
        return self.loss.affine

    def restrict(self, features: IntArray) -> Self:
        """The problem over some features alone."""
        return self.on(self.design.restrict(features), features)

    def full_pass(self, W: FloatArray) -> tuple[Certificate, FloatArray]:
        whole = self.coefficients(W)
        found = self.pass_at(self.design.predict(whole) if whole.any() else None)
        return self.certificate_of(W, found), found.G_rows.T

    def certificate_of(self, W: FloatArray, found: Pass) -> Certificate:
        """Objective and duality gap at W from the pass there."""
        G = np.ascontiguousarray(found.G_rows.T)
        dual = self.dual_of(found, float(np.vdot(self.coefficients(W), G)))
        point = DualPoint(found.loss, G, dual, found.theta)
        return replace(self.certify(W, None, point), intercepts=found.intercepts)

    def certify_with(
        self, W: FloatArray, loss: float, theta: FloatArray
    ) -> tuple[Certificate, FloatArray]:
        """The certificate at W, where the loss is known, from a dual point of another origin.

        And ``X' theta``. What rounding left of sums that should vanish with intercepts is taken out
        of theta.
        """
        point = self._point(W, loss, theta.copy())
        return self.certify(W, None, point), point.G

    def value_at(self, W: FloatArray, z: FloatArray) -> float:
        """Objective at W with predictions z."""
        return self.loss_at(z).value + self.penalty.value(W)


class WholeObjective(Objective):
    """The objective in W itself; see :func:`make_objective`."""

    def __init__(
        self,
        design: Design,
        loss: Loss,
        y: FloatArray,
        c: FloatArray,
        penalty: Penalty,
        fit_intercept: bool,
        shrinkage: float = 0.0,
        n_classes: int | None = None,
    ):
        self.design = design
        self.loss = loss
        self.y = y
        self.c = c
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.shrinkage = shrinkage
        # Columns of a task, which have intercepts of their own.
        self.n_classes = loss.n_columns if n_classes is None else n_classes
        self.intercepts = make_intercepts(fit_intercept, shrinkage, self.n_classes)
        # Where the search for intercepts starts: the last ones found.
        self._near = np.zeros(design.n_tasks)
        self.shape = (design.n_features, design.n_tasks)
        # Objective at W = 0 with the best intercepts: the unit of the relative gap.
        self.scale, self.theta0, self.b0 = self._evaluate(np.zeros_like(y))
        # Of a quadratic bound on the loss.
        self.hessian = Hessian(design, self.weights, self.intercepts, fit_intercept)

    def coefficients(self, W: FloatArray) -> FloatArray:
        return W

    @cached_property
    def weights(self) -> FloatArray:
        """Weights (N,) of a quadratic bound on the loss; of its model at W = 0 if it has none."""
        return self.loss.weights(self.y, self.theta0, self.c)

    def pass_at(self, z: FloatArray | None, rough: bool = False) -> Pass:
        value, theta, intercepts = self._evaluate(np.zeros_like(self.y) if z is None else z)
        self._make_feasible(theta)
        return Pass(value, self.design.adjoint_rows(theta, rough), intercepts, theta)

    def dual_of(self, found: Pass, inner: float) -> Callable[[float], float]:
        theta = found.theta
        assert theta is not None
        return self._dual_at(theta)

    def _dual_at(self, theta: FloatArray) -> Callable[[float], float]:
        cost = self.intercepts.conjugate(theta, self.design.offsets)
        return lambda alpha: self.loss.dual(self.y, theta, self.c, alpha) - alpha * alpha * cost

    def loss_at(self, z: FloatArray, start: FloatArray | None = None) -> Evaluation:
        return self._evaluate(z, start)

    def on(self, design: Design, features: IntArray) -> Self:
        penalty = self.penalty.restrict(features)
        terms = penalty, self.fit_intercept, self.shrinkage, self.n_classes
        other = type(self)(design, self.loss, self.y, self.c, *terms)
        other._near = self._near.copy()
        return other

    def with_penalty(self, penalty: Penalty) -> Self:
        other = super().with_penalty(penalty)
        other._near = self._near.copy()
        return other

    def _size_of(self, point: DualPoint) -> float:
        if point.theta is None:
            return super()._size_of(point)
        w = self.weights
        squares = np.divide(np.square(point.theta), w, out=np.zeros_like(w), where=w > 0.0)
        return float(np.sqrt(squares.sum()))

    def _squares(self) -> FloatArray:
        return self.design.energies(self.weights)

    def _evaluate(self, z: FloatArray, start: FloatArray | None = None) -> Evaluation:
        start = self._near if start is None else start
        offsets = self.design.offsets
        found = self.intercepts.evaluate(self.loss, self.y, z, self.c, offsets, start)
        self._near = found.intercepts
        return found

    def _make_feasible(self, theta: FloatArray) -> None:
        self.intercepts.feasible(self.loss, self.y, theta, self.c, self.design.offsets)

    def _point(self, W: FloatArray, value: float, theta: FloatArray) -> DualPoint:
        self._make_feasible(theta)
        return DualPoint(value, self.design.adjoint(theta), self._dual_at(theta), theta)

    def loss_lipschitz(self) -> float:
        # Power iteration for all tasks at once. A fixed start keeps fits reproducible.
        V = np.random.default_rng(0).standard_normal(self.shape)
        best = 0.0
        for _ in range(_POWER_STEPS):
            norms = np.sqrt(np.einsum("jt,jt->t", V, V))
            V /= np.where(norms > 0.0, norms, 1.0)
            V = self._bounding_hessian(V)
            best = float(np.sqrt(np.einsum("jt,jt->t", V, V).max(initial=0.0)))
        return 1.02 * best

    def mean_curvature(self) -> float:
        design = self.design
        weights, squares = self.weights, design.row_squares()
        rows = weights.reshape(-1, squares.shape[0]).sum(axis=0)
        trace = float(rows @ squares)
        if self.fit_intercept:
            totals = np.add.reduceat(weights, design.offsets[:-1])
            trace -= float((np.square(design.adjoint(weights)).sum(axis=0) / totals).sum())
        return max(trace, 0.0) / (design.n_features * design.n_tasks)

    def _bounding_hessian(self, V: FloatArray) -> FloatArray:
        """Without what tasks share in their intercepts, which only takes from it."""
        return self.hessian.each(V)


class QuadraticObjective(Affine, WholeObjective):
    """Squared loss: ``lift(W) = H W``, by Gram matrices where they are the cheaper way."""

    def __init__(
        self,
        design: Design,
        loss: Loss,
        y: FloatArray,
        c: FloatArray,
        penalty: Penalty,
        fit_intercept: bool,
        shrinkage: float = 0.0,
        n_classes: int | None = None,
    ):
        super().__init__(design, loss, y, c, penalty, fit_intercept, shrinkage, n_classes)
        # Computed when first asked for, once for all objectives on these data.
        self._kept: dict[str, FloatArray] = {}
        self._by_gram = design.prefers_gram()

    @property
    def rhs_rows(self) -> FloatArray:
        """``theta' X`` at W = 0 (T, d)."""
        if "rhs_rows" not in self._kept:
            self._kept["rhs_rows"] = self.design.adjoint_rows(self.theta0)
        return self._kept["rhs_rows"]

    @cached_property
    def rhs(self) -> FloatArray:  # type: ignore[override]
        return np.ascontiguousarray(self.rhs_rows.T)

    def pass_at(self, z: FloatArray | None, rough: bool = False) -> Pass:
        if z is not None:
            return super().pass_at(z, rough)
        known = "rhs_rows" in self._kept or not (rough and self.design.has_rough)
        G_rows = self.rhs_rows if known else self.design.adjoint_rows(self.theta0, rough)
        return Pass(self.scale, G_rows, self.b0)

    def dual_of(self, found: Pass, inner: float) -> Callable[[float], float]:
        return dual_of_squares(found.loss, inner)

    def lift(self, W: FloatArray) -> FloatArray:
        lifted = self.lift_each(W)
        if self.tie is not None:
            lifted -= self.tie.taken(W)
        return lifted

    def lift_each(self, W: FloatArray) -> FloatArray:
        """``H_t w_t``, without what tasks share in their intercepts."""
        if not self._by_gram:
            return self._bounding_hessian(W)
        gram = self.gram()
        if gram.shape[0] == 1:
            return np.dot(gram[0], W)
        out = np.empty(self.shape)
        _kernels.blocks.gram_product(gram, W, out)
        return out

    @property
    def tie(self) -> Tie | None:
        """What the intercepts that tasks share take from the Hessian ``blkdiag(H_t)``."""
        return self.hessian.tie

    def gram(self) -> FloatArray:
        """Per-task Gram matrices, (T, d, d) or (1, d, d) when all tasks have the same."""
        return self.hessian.gram()

    def _squares(self) -> FloatArray:
        if not self.hessian.has_gram:
            return super()._squares()
        return np.broadcast_to(np.einsum("tjj->jt", self.gram()), self.shape)

    def set_gram(self, gram: FloatArray) -> None:
        """Take Gram matrices that are known."""
        self.hessian.set_gram(gram)

    def _point(self, W: FloatArray, value: float, theta: FloatArray) -> DualPoint:
        return point_of_squares(W, value, self.design.adjoint(theta))

    def _free_step(
        self, G: FloatArray, rows: Rows, basis: Basis, kept: AnyArray | None
    ) -> FloatArray:
        return self.hessian.free_step(G, rows, basis, kept)

    def loss_lipschitz(self) -> float:
        gram = self.gram() if self._by_gram else None
        if gram is not None and gram.shape[0] * gram.shape[1] ** 3 < _EXACT_EIGEN:
            return float(np.linalg.eigvalsh(gram)[:, -1].max(initial=0.0))
        return super().loss_lipschitz()


class GeneralObjective(WholeObjective):
    """Any smooth loss: ``lift(W) = X W``, gradients by a pass over X."""

    def lift(self, W: FloatArray) -> FloatArray:
        return self.design.predict(W)

    def gradient(self, W: FloatArray, lifted: FloatArray) -> FloatArray:
        theta = self._evaluate(lifted).theta
        G = -self.design.adjoint(theta)
        if self.quadratic.coupled:
            G += self.quadratic.pull(W)
        return G

    def curvature_along(self, D: FloatArray, lifted: FloatArray, at: FloatArray) -> float:
        if self.loss.curvature is None:
            return self._departure(lifted, at)
        return self.intercepts.energy(lifted, self.weights, self.design.offsets)

    def _departure(self, step: FloatArray, z: FloatArray) -> float:
        """Twice what the loss at z + step is above its tangent at z.

        Where that is lost in rounding, what the slopes say, to second order.
        """
        here, there = self._evaluate(z), self._evaluate(z + step)
        if not np.isfinite(there.value):
            return np.inf
        slope = float(here.theta @ step)
        above = there.value - here.value + slope
        above -= _ROUNDING * (abs(there.value) + abs(here.value) + abs(slope))
        return max(2.0 * above, float((here.theta - there.theta) @ step))

    def dual_point(self, W: FloatArray, lifted: FloatArray) -> DualPoint:
        return self._point(W, *self._evaluate(lifted)[:2])

    def _shifted(
        self,
        W: FloatArray,
        lifted: FloatArray,
        point: DualPoint,
        rows: Rows,
        basis: Basis,
        kept: AnyArray | None,
    ) -> DualPoint | None:
        assert point.theta is not None
        theta, loss = point.theta.copy(), self.loss
        weight = loss.second_derivative(self.y, theta, self.c)
        design = self.design if isinstance(rows, slice) else self.design.restrict(rows)
        hessian = Hessian(design, weight, self.intercepts, self.fit_intercept)
        free_step = hessian.free_stepper(slice(None), basis, kept)
        with np.errstate(over="ignore", invalid="ignore"):  # saturated: there is no curvature
            if loss.n_columns > 1:  # the Hessian is that of a bound
                curve = self.curvature_of(design, theta)
                pulled = point.G[rows]
                step = conjugate_gradients(lambda D: design.adjoint(curve(D)), pulled, free_step)
                theta -= curve(step)
            else:
                z = design.predict(free_step(point.G[rows]))
                self.intercepts.remove(z, weight, design.offsets)
                theta -= weight * z
        if not np.isfinite(self.loss.dual(self.y, theta, self.c, 1.0)):
            return None  # too far from the optimum for a linear correction
        return self._point(W, point.loss, theta)

    def curvature_of(self, design: Design, theta: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """What theta loses in a step, to first order, where a sample has several predictions.

        ``design`` is of the features of these steps.
        """
        given = self.loss, self.y, theta, self.c, design.offsets
        curve = self.intercepts.curvature(*given)
        return lambda D: curve(design.predict(D))

    def common_step(
        self, W: FloatArray, z: FloatArray, basis: FloatArray, ridge: float
    ) -> FloatArray:
        """Newton's step from W with predictions z, of loss and ridge, in the span of a basis.

        No task has a part in two of its directions.
        """
        if self.loss.n_columns == 1:
            model = self.model(W, z)
            return model.hessian.free_step(model.rhs, slice(None), basis, ridge=ridge) - W
        theta, design = self._evaluate(z).theta, self.design
        weight = self.loss.second_derivative(self.y, theta, self.c)
        bound = Hessian(design, weight, self.intercepts, self.fit_intercept)
        free_step = bound.free_stepper(slice(None), basis, None, ridge)
        curve = self.curvature_of(design, theta)

        def apply(D: FloatArray) -> FloatArray:
            return design.adjoint(curve(D)) + ridge * D

        G = design.adjoint(theta) - ridge * W
        return conjugate_gradients(apply, G, free_step, left=_STEP_LEFT)

    def model(self, W: FloatArray, z: FloatArray) -> QuadraticObjective:
        """The loss to second order at W with predictions z: least squares on working responses.

        Intercepts are eliminated from the model as from the loss. Up to a constant its value is the
        loss's, to second order in the distance from W.
        """
        _, theta, b = self._evaluate(z)
        weight = self.loss.model_curvature(self.y, theta, self.c)
        response = z + np.repeat(b, np.diff(self.design.offsets))
        response += np.divide(theta, weight, out=np.zeros_like(theta), where=weight > 0.0)
        terms = self.penalty, self.fit_intercept, self.shrinkage, self.n_classes
        return QuadraticObjective(self.design.any_weights(), Squared(), response, weight, *terms)


def make_objective(
    design: Design,
    loss: Loss,
    y: FloatArray,
    c: FloatArray,
    penalty: Penalty,
    fit_intercept: bool,
    shrinkage: float = 0.0,
) -> QuadraticObjective | GeneralObjective:
    """The objective class that fits the loss; ``shrinkage`` is of the intercepts."""
    kind = QuadraticObjective if loss.affine else GeneralObjective
    return kind(design, loss, y, c, penalty, fit_intercept, shrinkage)
