"""What a loss says about itself: nothing else in the library asks which loss it is.

``y, z, c`` are (N,) float64 in task-major order: targets, linear predictions without intercept,
weights ``c_ti = omega_t s_ti / S_t`` (0: not observed). ``offsets`` (S + 1,) bounds the segments
that have an intercept each: the tasks, or ``[0, N]`` where all share one. ``theta = -c loss'(z +
b)`` is the dual point.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy.special import expit

from .. import _kernels
from .._typing import AnyArray, FloatArray, IntArray
from ._scores import R2, UnitScore

# In a quadratic model: curvature of a sample at least this share of its slope.
_LEAST_CURVATURE = 1e-3
# The same of its weight: a number, and none that counts.
_NO_CURVATURE = 1e-250
# Of the search for intercepts: steps, what may be left of the sum of slopes as a share of that of
# their sizes, the longest first step without a bracket.
_MOST_STEPS, _LEFT, _LEAP = 200, 1e-13, 4.0


def _identity(z: FloatArray) -> FloatArray:
    return z


@dataclass(frozen=True)
class Link:
    """How linear predictions become those of targets: ``inverse(z)``; ``of_y`` is what z is."""

    name: str
    inverse: Callable[[FloatArray], FloatArray]
    of_y: str


IDENTITY = Link("identity", _identity, "y")
LOG, LOGIT = Link("log", np.exp, "log y"), Link("logit", expit, "log odds")


class Evaluation(NamedTuple):
    """A loss at its best intercepts: the value, theta (N,), and these (S,)."""

    value: float
    theta: FloatArray
    intercepts: FloatArray


class Loss(ABC):
    """A convex loss, bounded from below.

    Subclasses are frozen dataclasses: their fields are the parameters of the loss. They say
    `value`, `derivative`, `second_derivative` and `dual`, and where it differs from what is here
    (one of several predictions a sample, which has no value by itself, says `evaluate`, `by_task`
    and `feasible` instead of the first two):

    Attributes
    ----------
    curvature : float or None
        A bound on the second derivative in z; None: there is none, and step lengths come from a
        search on the value.
    degree : int
        The power of y that the loss grows with if predictions grow as y does, and
        :meth:`in_units` its parameters. 0: y has no unit.
    affine : bool
        The derivative is ``z - y``.
    of_moments : bool
        It depends on the rows of a task through their second moments alone.
    smooth : bool
        Whether there is a derivative everywhere.
    of_norms : bool
        A task's loss is the norm of its residuals, times ``sqrt(omega_t)``.
    attained : bool
        Whether the smallest loss of a sample is that of a finite prediction.
    positive_only : bool
        Whether targets must not be negative (scikit-learn's tag).
    link : Link
        What `predict` returns is ``link.inverse`` of the linear prediction.
    unit_score : UnitScore
        What `score` means.
    """

    curvature: ClassVar[float | None] = None
    degree: ClassVar[int] = 0
    affine: ClassVar[bool] = False
    of_moments: ClassVar[bool] = False
    smooth: ClassVar[bool] = True
    of_norms: ClassVar[bool] = False
    attained: ClassVar[bool] = True
    positive_only: ClassVar[bool] = False
    link: ClassVar[Link] = IDENTITY

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        """The loss of each sample, at least 0 where that can be arranged."""
        raise TypeError(f"{type(self).__name__} has no value by sample")

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        """Its derivative in z."""
        raise TypeError(f"{type(self).__name__} has no derivative by sample")

    @property
    def n_columns(self) -> int:
        """Predictions that a sample has, and columns of W a task: one."""
        return 1

    def by_column(self, values: FloatArray, offsets: IntArray) -> FloatArray:
        """What samples have (N,), once for each column of their task, one after the other."""
        return values

    def targets_by_column(self, y: FloatArray, c: FloatArray, offsets: IntArray) -> FloatArray:
        """The same of targets, as the other methods take them."""
        return y

    def together(self, offsets: IntArray) -> tuple[slice | IntArray, IntArray]:
        """The order of samples in which those of all tasks are one task's, and its offsets."""
        return slice(None), offsets[[0, -1]]

    def absent(self, y: FloatArray, c: FloatArray, offsets: IntArray) -> AnyArray:
        """Mask of the segments (S,) whose best intercept is -inf, whatever W."""
        return np.zeros(offsets.shape[0] - 1, dtype=np.bool_)

    @abstractmethod
    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        """``c loss''`` at the point where ``theta`` is minus c times the derivative.

        A bound on it where a sample has several predictions.
        """

    def curve(
        self,
        y: FloatArray,
        theta: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        v: FloatArray,
        fit_intercept: bool,
    ) -> FloatArray:
        """``c loss'' (v + s)`` of several predictions; s, with intercepts, is what these do."""
        raise TypeError(f"{type(self).__name__} has one prediction a sample: see second_derivative")

    def blocks(
        self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> list[FloatArray]:
        """``c loss''`` of each task's samples (K, K, n), K predictions a sample."""
        raise TypeError(f"{type(self).__name__} has one prediction a sample: see second_derivative")

    def intercept_curvature(
        self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> FloatArray:
        """``c loss''`` along the intercepts of each task (T, K, K), K predictions a sample."""
        raise TypeError(f"{type(self).__name__} has one prediction a sample: see second_derivative")

    @abstractmethod
    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        """``-sum conj(-alpha theta)``, conj that of ``c loss``; -inf outside its domain."""

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        fit_intercept: bool,
        start: FloatArray | None = None,
    ) -> Evaluation:
        """Value and theta at the best intercepts (0 without), searched from ``start`` (S,)."""
        b = np.zeros(offsets.shape[0] - 1)
        if fit_intercept:
            b = self._best_intercepts(y, z, c, offsets, b if start is None else start)
        at = z + np.repeat(b, np.diff(offsets))
        return Evaluation(float(_weighted(c, self.value(y, at)).sum()), self._theta(y, at, c), b)

    def by_task(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, b: FloatArray
    ) -> FloatArray:
        """The loss of every segment at intercepts b."""
        values = self.value(y, z + np.repeat(b, np.diff(offsets)))
        return np.add.reduceat(_weighted(c, values), offsets[:-1])

    def feasible(self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
        """Make theta feasible in place where segments have intercepts: its sums are zero there.

        Here the larger of both signs is shortened: 0 is in the domain of any loss that is bounded
        from below, so what is shortened stays there.
        """
        _kernels.losses.balance(offsets, theta)

    def parts(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        """Parts of theta (2, N) whose sum it is, of which :meth:`mixture` makes feasible ones.

        Where rows come in batches, `feasible` is told by the sums of the parts alone.
        """
        return np.stack([np.maximum(theta, 0.0), np.minimum(theta, 0.0)])

    def mixture(self, totals: FloatArray) -> FloatArray:
        """How parts of these sums (2, S, K) in the columns of segments are to be mixed.

        ``sum_sl mixture[s, t, l, k] parts[s]`` over columns l is feasible in column k of t.
        """
        sizes = np.abs(totals)
        least = np.broadcast_to(sizes.min(axis=0), sizes.shape)
        return np.divide(least, sizes, out=np.zeros_like(sizes), where=sizes > 0.0)[..., None]

    def centered(
        self, y: FloatArray, c: FloatArray, offsets: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Targets less what the intercepts take anyway, and that (S,): it keeps digits."""
        return y, np.zeros(offsets.shape[0] - 1)

    def moved(self, y: FloatArray, c: FloatArray, offsets: IntArray, by: FloatArray) -> float:
        """How much more it may be where the best intercepts are missed so far."""
        curvature = 1.0 if self.curvature is None else self.curvature
        return 0.5 * curvature * float(np.add.reduceat(c, offsets[:-1]) @ (by * by))

    def model_curvature(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        """The second derivative for a quadratic model of the loss.

        Where the loss is nearly linear steps would run away: a little curvature more is still a
        model, if not the second-order one. (Some is left where every loss of a task is zero.)
        """
        least = np.maximum(_LEAST_CURVATURE * np.abs(theta), _NO_CURVATURE * c)
        return np.maximum(self.second_derivative(y, theta, c), least)

    def weights(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        """Weights of a quadratic bound on the loss; of its model at theta if it has none."""
        if self.curvature is None:
            return self.second_derivative(y, theta, c)
        return c if self.curvature == 1.0 else self.curvature * c

    def separates(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, fit_intercept: bool
    ) -> AnyArray:
        """Whether the loss of a segment falls for ever along predictions z (S,)."""
        return np.zeros(offsets.shape[0] - 1, dtype=np.bool_)

    def check_targets(
        self,
        y: FloatArray,
        weight: FloatArray,
        offsets: IntArray,
        tasks: AnyArray,
        free_intercepts: bool,
    ) -> FloatArray:
        """The targets as the other methods take them.

        Raises
        ------
        ValueError
            If a target of positive weight is out of range, or the targets of a task have no finite
            best intercept while intercepts are free of a penalty.
        """
        return y

    def check_together(self, y: FloatArray, weight: FloatArray) -> None:
        """Check targets of tasks whose intercepts are drawn to each other, or are one.

        Raises
        ------
        ValueError
            If the targets have no finite best intercept all together.
        """
        try:
            self.check_targets(y, weight, np.array([0, y.shape[0]]), np.array(["all"]), True)
        except ValueError as error:
            raise ValueError(
                f"All targets of all tasks are {y[weight > 0.0].max(initial=0.0):g}: with loss="
                f"{self!r} their intercepts have no finite minimiser. Add tasks that have others, "
                "or set fit_intercept=False."
            ) from error

    @property
    def of_targets(self) -> bool:
        """Whether a parameter is to be read off the targets of a fit, by :meth:`resolved`."""
        return False

    def resolved(self, y: FloatArray, weight: FloatArray, offsets: IntArray) -> Loss:
        """The loss with the parameters that these targets say.

        Raises
        ------
        ValueError
            If they do not.
        """
        return self

    def smoothed(
        self, y: FloatArray, theta: FloatArray, c: FloatArray, width: float
    ) -> tuple[Loss, FloatArray]:
        """For a loss that is not smooth: one that is, and targets for it.

        With s = theta' / c the loss is ``max_s s y - conj(s)``, less the term ``width/2 sum c (s -
        theta / c)^2`` (up to a constant): that keeps the slopes s near those of theta.
        """
        raise ValueError(
            f"{self!r} is not smooth, and does not say by `smoothed` what near it is: no solver "
            "takes it."
        )

    def in_units(self, exponent: int) -> Self:
        """The loss for targets and predictions divided by ``2^exponent``."""
        return self

    def respond(self, z: FloatArray, index: IntArray | None) -> FloatArray:
        """Predictions of targets for linear predictions z.

        ``index`` (n,) are the positions of the tasks, -1 for an unknown one; None: the tasks are
        the columns of z.
        """
        with np.errstate(over="ignore"):
            return self.link.inverse(z)

    @property
    def of_y(self) -> str:
        """What a linear prediction is, in words."""
        return self.link.of_y

    @property
    def unit_score(self) -> UnitScore:
        """What `score` means."""
        return R2

    def unit_scores(self, index: IntArray) -> list[tuple[UnitScore, AnyArray]]:
        """The unit scores of the rows of tasks ``index``, with the masks of their rows."""
        return [(self.unit_score, np.ones(index.shape, dtype=np.bool_))]

    def _theta(self, y: FloatArray, z: FloatArray, c: FloatArray) -> FloatArray:
        return -_weighted(c, self.derivative(y, z))

    def _best_intercepts(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, start: FloatArray
    ) -> FloatArray:
        """Newton's method within brackets, for all segments at once."""
        starts, counts = offsets[:-1], np.diff(offsets)
        b, low, high = start.copy(), np.full(start.shape, -np.inf), np.full(start.shape, np.inf)
        leap = np.full(start.shape, _LEAP)
        with np.errstate(all="ignore"):
            for _ in range(_MOST_STEPS):
                theta = self._theta(y, z + np.repeat(b, counts), c)
                slope = np.add.reduceat(theta, starts)
                size = np.add.reduceat(np.abs(theta), starts)
                moving = np.abs(slope) > _LEFT * size
                if not moving.any():
                    break
                low = np.where(slope > 0.0, b, low)
                high = np.where(slope < 0.0, b, high)
                curvature = np.add.reduceat(self.second_derivative(y, theta, c), starts)
                # Without a bracket steps are bounded by leaps that double.
                bound = np.where(np.isfinite(high - low), np.inf, leap)
                new = b + np.clip(np.where(slope == 0.0, 0.0, slope / curvature), -bound, bound)
                leap *= 2.0
                outside = ~((low < new) & (new < high))
                new = np.where(outside & moving, 0.5 * (low + high), new)
                new = np.where(moving & np.isfinite(new), new, b)
                if np.array_equal(new, b):
                    break
                b = new
        return b


class Compiled(Loss):
    """A loss with a kernel for its best intercepts."""

    @abstractmethod
    def _fill(self, *problem: Any) -> float:
        """The value; problem is y, z, c, offsets, fit_intercept, b and theta.

        ``b`` is where the search starts and becomes the best intercepts, ``theta`` is filled.
        """

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        fit_intercept: bool,
        start: FloatArray | None = None,
    ) -> Evaluation:
        theta, b = np.empty_like(y), np.zeros(offsets.shape[0] - 1)
        if start is not None:
            b[:] = start
        value = self._fill(y, z, c, offsets, fit_intercept, b, theta)
        return Evaluation(value, theta, b)


def _weighted(c: FloatArray, values: FloatArray) -> FloatArray:
    """``c values``, 0 where c is, whatever the value."""
    return np.multiply(c, values, out=np.zeros_like(c), where=c > 0.0)
