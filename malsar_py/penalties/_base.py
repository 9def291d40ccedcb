"""What a penalty is: structures with a prox, quadratics across tasks, and their sum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol, Self

import numpy as np

from .._typing import AnyArray, FloatArray, IntArray
from ._chains import Chain, chain_of, eigenpairs

# Rows of W, and orthonormal task directions (n_tasks, r) that are free there; None: all of them.
FreePart = tuple[slice | IntArray, FloatArray | None]

# Eigenvalues of a task quadratic below this share of its largest one are zero: directions it leaves
# free.
_NULL = 1e-12


class Scope(Protocol):
    """What a penalty may know of the problem that it is for."""

    @property
    def tasks(self) -> AnyArray: ...
    @property
    def n_tasks(self) -> int: ...
    @property
    def n_features(self) -> int: ...


class Penalty(ABC):
    """A function Omega of W (n_features, n_tasks): what a solver and a certificate ask of it.

    Penalties add up by ``+``, on one and the same W: at most one of them may be a
    :class:`Structure`, all others quadratic. ``2.0 * penalty`` is a multiple.
    """

    # Whether it is a function of W already, and does not wait for `at` to say which.
    resolved: ClassVar[bool] = True

    @property
    def structure(self) -> Structure | None:
        """The part handled by its prox."""
        return None

    @property
    def quadratic(self) -> TaskQuadratic:
        """The part that belongs to the smooth function."""
        return TaskQuadratic()

    @abstractmethod
    def value(self, W: FloatArray) -> float:
        """Omega(W)."""

    def dual_bounds(self, W: FloatArray, G: FloatArray) -> list[tuple[float, float]]:
        """Pairs (alpha, conj): ``-sum conj_loss(-alpha theta) - conj`` is below the optimum.

        ``G = X' theta`` for a dual feasible theta, which must vanish on the :meth:`free_part` (the
        objective sees to that). Every pair is valid; the best one counts.
        """
        structure, quadratic = self.structure, self.quadratic
        if structure is None:
            return [(1.0, quadratic.conjugate(G))]
        return structure.bounds_beside(quadratic, W, G)

    @property
    def is_quadratic(self) -> bool:
        """Whether there is no structure in it."""
        return self.structure is None

    def free_part(self, n_tasks: int) -> FreePart | None:
        """The part of W that costs nothing, None without one."""
        structure, quadratic = self.structure, self.quadratic
        if structure is not None and not structure.only_constrains:
            return structure.leaves_free(n_tasks) if quadratic.ridge == 0.0 else None
        if quadratic.ridge == 0.0 and not quadratic.coupled:
            return slice(None), None
        basis = quadratic.null_basis(n_tasks)
        return None if basis is None else (slice(None), basis)

    def pulled(self, W: FloatArray, G: FloatArray) -> AnyArray | None:
        """Where G may not pull at W, of what is free: None everywhere, else a mask of that shape.

        W and G in coordinates of the free part. Elsewhere W is at a bound, and G pushes against it.
        """
        structure = self.structure
        return None if structure is None or structure is self else structure.pulled(W, G)

    def restrict(self, features: IntArray) -> Self:
        """The penalty of some rows of W alone."""
        return self

    def at(self, problem: Scope) -> Penalty:
        """What this penalty is for these tasks and features: itself, if it is for any."""
        return self

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        """``factor Omega(size W)`` as a penalty of W, factor and size > 0."""
        raise TypeError(f"{type(self).__name__} has no multiples: define rescaled(factor, size).")

    def zero_factor(self, G0: FloatArray) -> float | None:
        """The smallest multiple of this penalty at which W = 0; None without one.

        ``G0 = X' theta`` (n_features, n_tasks) is minus the loss's gradient at W = 0.
        """
        structure = self.structure
        return None if structure is None or structure is self else structure.zero_factor(G0)

    def lambda1_max(self, G0: FloatArray) -> float | None:
        """The smallest lambda1 at which W = 0, from ``G0 = X' theta`` there; None without one.

        A quadratic has no slope at W = 0, so it changes nothing.
        """
        structure = self.structure
        return None if structure is None or structure is self else structure.lambda1_max(G0)

    def __mul__(self, factor: float) -> Penalty:
        if not 0.0 < factor < np.inf:
            raise ValueError(f"a penalty is multiplied by a number in (0, inf), got {factor!r}.")
        return self.rescaled(float(factor))

    __rmul__ = __mul__

    def __add__(self, other: Penalty) -> Penalty:
        if not isinstance(other, Penalty) or not other.resolved:
            return NotImplemented
        structures = [p for p in (self.structure, other.structure) if p is not None]
        if len(structures) > 1:
            raise TypeError("two structures on one W: use a split into two parts instead")
        return Composite(
            structures[0] if structures else None, self.quadratic.plus(other.quadratic)
        )


class Structure(Penalty):
    """A penalty with a prox: what is not quadratic. There is one at most on one W.

    Subclasses say ``value``, ``prox`` and ``bounds_beside``; for a norm see :class:`Norm`. Those
    that separate over rows may name their norm, "L1" or "L2", as ``row_norm``: working sets ask.
    """

    row_norm: ClassVar[str | None] = None
    # A function of the singular values alone.
    rotation_invariant: ClassVar[bool] = False
    # A constraint: what is free of the quadratic is free up to it.
    only_constrains: ClassVar[bool] = False
    # W is a sum of so many parts, stacked in the solver's variable.
    n_parts: ClassVar[int] = 1

    @property
    def structure(self) -> Structure | None:
        return self

    @abstractmethod
    def prox(self, V: FloatArray, step: float) -> FloatArray:
        """``argmin_W step * Omega(W) + 1/2 ||W - V||^2``."""

    @abstractmethod
    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        """The pairs of :meth:`dual_bounds`: Fenchel with the quadratic linearised at W."""

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        """The part of W that this structure does not penalise, None without one."""
        return None

    def row_thresholds(self, n_features: int) -> FloatArray:
        """Lambda times the weight of each row, for row-separable penalties."""
        raise TypeError(f"{type(self).__name__} is not row-separable")


@dataclass(frozen=True)
class Norm(Structure):
    """``lambda1 N(W)`` for a norm N with a computable dual norm: what a new norm derives from.

    Subclasses say three things, and fits with the norm, any quadratic and any loss are certified:
    ``value(W)``, which is ``lambda1 N(W)``; ``prox(V, step)``, the exact minimiser of ``step
    lambda1 N(W) + 1/2 ||W - V||_F^2``, a new array; and ``dual_norm(G)``, the largest ``<G, W>``
    over ``N(W) <= 1``.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in [0, inf).

    Notes
    -----
    For every dual feasible theta with ``G = X' theta``, the dual objective at ``alpha theta`` with
    ``alpha = min(1, lambda1 / N*(G))`` is below the optimum; with a ridge ``rho/2 ||W||_F^2`` so is
    that at theta less ``||prox(G)||_F^2 / (2 rho)`` [1]_.

    References
    ----------
    .. [1] F. Bach, R. Jenatton, J. Mairal, G. Obozinski, "Optimization with sparsity-inducing
       penalties", Foundations and Trends in Machine Learning 4, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import Norm
    >>> class Largest(Norm):
    ...     def value(self, W):
    ...         return self.lambda1 * float(np.abs(W).max())
    ...     def prox(self, V, step):
    ...         from malsar_py.prox import prox_row_linf
    ...         return prox_row_linf(V.reshape(1, -1), step * self.lambda1).reshape(V.shape)
    ...     def dual_norm(self, G):
    ...         return float(np.abs(G).sum())
    >>> Largest(2.0).value(np.array([[1.0, -3.0]]))
    6.0
    """

    lambda1: float = 1.0

    @property
    def structure(self) -> Structure | None:
        # At strength zero the norm is absent, and its dual ball is a point: the quadratic's
        # certificate applies.
        return self if self.lambda1 > 0.0 else None

    @abstractmethod
    def dual_norm(self, G: FloatArray) -> float:
        """``max <G, W>`` over ``N(W) <= 1``."""

    def lambda1_max(self, G0: FloatArray) -> float | None:
        return self.dual_norm(G0)

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        return replace(self, lambda1=_strength(self.lambda1, factor, size))

    def zero_factor(self, G0: FloatArray) -> float | None:
        return self.dual_norm(G0) / self.lambda1

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        # What the quadratic leaves of G must lie in the dual ball, ...
        rest = G - quadratic.pull(W) if quadratic.coupled else G
        bounds = []
        if quadratic.ridge > 0.0:
            # ... unless a ridge is there to pay for the excess, ...
            excess = self.prox(rest, 1.0)
            conj = 0.5 * float(np.vdot(excess, excess)) / quadratic.ridge
            bounds.append((1.0, 0.5 * quadratic.coupling(W) + conj))
            if self.leaves_free(W.shape[1]) is not None:
                return bounds  # scaling cannot bring what is free into the ball
            rest = rest - quadratic.ridge * W
        # ... so scale everything into it.
        size = self.dual_norm(rest)
        alpha = 1.0 if size <= self.lambda1 else self.lambda1 / size
        bounds.append((alpha, alpha * alpha * quadratic.value(W)))
        return bounds


@dataclass(frozen=True, eq=False)
class TaskQuadratic(Penalty):
    """``1/2 tr(W Q W')``, ``Q = matrix + mean (I - 11'/T) + ridge I``: every quadratic term.

    Semidefinite. Distances to the mean are not written out as a T x T matrix: they cost as much as
    the ridge; nor are those along a chain. There is a matrix or a mean, not both (:meth:`plus` sees
    to that).
    """

    given: FloatArray | Chain | None = None
    ridge: float = 0.0
    mean: float = 0.0

    @cached_property
    def matrix(self) -> FloatArray | None:
        """The matrix (T, T), None without one."""
        return self.given.matrix if isinstance(self.given, Chain) else self.given

    @property
    def quadratic(self) -> TaskQuadratic:
        return self

    def plus(self, other: TaskQuadratic) -> TaskQuadratic:
        """The sum of two quadratics."""
        ridge, mean = self.ridge + other.ridge, self.mean + other.mean
        given = other.given if self.given is None else self.given
        if self.given is not None and other.given is not None:
            assert self.matrix is not None and other.matrix is not None
            given = self.matrix + other.matrix
        if given is not None and mean > 0.0:
            matrix = given.matrix if isinstance(given, Chain) else given
            n_tasks = len(matrix)
            given, mean = matrix + mean * (np.eye(n_tasks) - 1.0 / n_tasks), 0.0
        return TaskQuadratic(given, ridge, mean)

    def rescaled(self, factor: float, size: float = 1.0) -> TaskQuadratic:
        ridge, mean = (_strength(value, factor, size, 2) for value in (self.ridge, self.mean))
        if isinstance(self.given, Chain):
            return TaskQuadratic(self.given.rescaled(factor * size * size), ridge, mean)
        matrix = None if self.given is None else factor * size * size * self.given
        return TaskQuadratic(matrix, ridge, mean)

    def with_ridge(self, ridge: float) -> TaskQuadratic:
        """The same coupling with another ridge."""
        return replace(self, ridge=ridge)

    def uncoupled(self) -> TaskQuadratic:
        """The ridge alone."""
        return TaskQuadratic(ridge=self.ridge)

    @property
    def coupled(self) -> bool:
        """Whether there is more than a ridge: tasks that meet."""
        return self.given is not None or self.mean > 0.0

    def pull(self, W: FloatArray) -> FloatArray:
        """``W (Q - ridge I)``, the part without the ridge."""
        if self.given is None:
            return self.mean * deviations(W)
        if self._chain is not None:
            return self._chain.pull(W)
        assert self.matrix is not None
        return W @ self.matrix

    def apply(self, W: FloatArray) -> FloatArray:
        """``W Q``."""
        product = self.ridge * W
        if self.coupled:
            product += self.pull(W)
        return product

    def value(self, W: FloatArray) -> float:
        return 0.5 * (self.ridge * float(np.vdot(W, W)) + self.coupling(W))

    def coupling(self, W: FloatArray) -> float:
        """``tr(W (Q - ridge I) W')``, the part without the ridge."""
        if self.given is None:
            return self.mean * float(np.square(deviations(W)).sum()) if self.mean > 0.0 else 0.0
        if self._chain is not None:
            return self._chain.value(W)
        # By eigenvectors: tasks that nearly agree cancel in each product, not in the sum.
        values, vectors = self._eigh
        return float(np.square(W @ vectors).sum(axis=0) @ (values - self.ridge))

    def prox_of_coupling(self, V: FloatArray, step: float) -> FloatArray:
        """``argmin_W step/2 tr(W (Q - ridge I) W') + 1/2 ||W - V||_F^2``."""
        if self.given is None:
            own = deviations(V)
            return (V - own) + own / (1.0 + step * self.mean)
        values, vectors = self._eigh
        return ((V @ vectors) / (1.0 + step * (values - self.ridge))) @ vectors.T

    @cached_property
    def _chain(self) -> Chain | None:
        if self.given is None or isinstance(self.given, Chain):
            return self.given
        return chain_of(self.given)

    @cached_property
    def _eigh(self) -> tuple[FloatArray, FloatArray]:
        if self._chain is not None:
            values, vectors = self._chain.eigenpairs()
        else:
            assert self.matrix is not None
            values, vectors = eigenpairs(self.matrix)
        return np.where(values < _NULL * values[-1], 0.0, values) + self.ridge, vectors

    @property
    def largest(self) -> float:
        """Largest eigenvalue of Q."""
        if self.given is None:
            return self.ridge + self.mean
        if self._chain is not None:
            return self.ridge + self._chain.eigenvalue(len(self._chain.alone) - 1)
        return float(self._eigh[0][-1])

    @property
    def smallest(self) -> float:
        """Smallest eigenvalue of Q."""
        if self.given is None or (self._chain is not None and self._chain.joins_all):
            return self.ridge
        return float(self._eigh[0][0])

    def dense(self, n_tasks: int) -> FloatArray:
        """Q as a T x T array."""
        Q = (self.ridge + self.mean) * np.eye(n_tasks) - self.mean / n_tasks
        return Q if self.matrix is None else Q + self.matrix

    def null_basis(self, n_tasks: int) -> FloatArray | None:
        """Orthonormal basis (T x r) of the task directions that Q leaves free, None without any."""
        if self.ridge > 0.0:
            return None
        joins_all = self.mean > 0.0 if self.given is None else False
        joins_all |= self._chain is not None and self._chain.joins_all
        if joins_all:
            return np.full((n_tasks, 1), n_tasks**-0.5)
        if self.matrix is None or not self.matrix.any():
            return np.eye(n_tasks)
        values, vectors = self._eigh
        basis = vectors[:, values <= 0.0]
        return np.where(basis.sum(axis=0) < 0.0, -basis, basis) if basis.shape[1] else None

    def conjugate(self, G: FloatArray) -> float:
        """``1/2 tr(G Q^+ G')``; directions that Q leaves free are taken as absent from G."""
        if self.given is None and self.mean > 0.0:
            own = deviations(G)
            common = float(np.square((G - own)[:, 0]).sum()) * G.shape[1]
            conj = 0.5 * float(np.vdot(own, own)) / (self.mean + self.ridge)
            return conj + 0.5 * common / self.ridge if self.ridge > 0.0 else conj
        if self.given is None:
            return 0.5 * float(np.vdot(G, G)) / self.ridge if self.ridge > 0.0 else 0.0
        along = None if self._chain is None else self._chain.conjugate(G, self.ridge)
        if along is not None:
            return along
        values, vectors = self._eigh
        energy = np.square(G @ vectors).sum(axis=0)
        return 0.5 * float(np.sum(energy[values > 0.0] / values[values > 0.0]))


def Ridge(lambda2: float = 1.0) -> TaskQuadratic:
    """The ridge ``lambda2/2 ||W||_F^2``.

    Parameters
    ----------
    lambda2 : float, default=1.0
        Strength, in [0, inf).

    Returns
    -------
    penalty : TaskQuadratic
        It has the conjugate ``||G||_F^2 / (2 lambda2)``, and may be added to any penalty of one W.

    References
    ----------
    .. [1] A. E. Hoerl, R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal
       problems", Technometrics 12, 1970.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import L1, Ridge
    >>> (L1() + Ridge(0.5)).value(np.array([[1.0, -2.0]]))
    4.25
    """
    return TaskQuadratic(ridge=lambda2)


def Coupling(lambda1: float, matrix: FloatArray, n_classes: int = 1) -> TaskQuadratic:
    """``lambda1 / 2 tr(W matrix W')``; tasks that are not coupled have no matrix to carry along.

    Tasks with a column of W for each class are coupled class by class.
    """
    coupling = lambda1 * matrix
    if n_classes > 1:
        coupling = np.asarray(np.kron(coupling, np.eye(n_classes)), dtype=np.float64)
    return TaskQuadratic(coupling if coupling.any() else None)


def ChainCoupling(lambda1: float, n_tasks: int) -> TaskQuadratic:
    """``lambda1 / 2 sum_t ||w_t - w_(t+1)||^2``, without a matrix."""
    if n_tasks == 1 or lambda1 == 0.0:
        return TaskQuadratic()
    return TaskQuadratic(Chain(np.full(n_tasks - 1, lambda1), np.zeros(n_tasks)))


def MeanCoupling(lambda1: float, n_tasks: int, n_classes: int = 1) -> TaskQuadratic:
    """``lambda1 / 2 sum_t ||w_t - mean(W)||^2``; one task is its own mean.

    Of tasks with a column of W for each class the mean is that of the class.
    """
    if n_classes > 1:
        return Coupling(lambda1, np.eye(n_tasks) - 1.0 / n_tasks, n_classes)
    return TaskQuadratic(mean=lambda1 if n_tasks > 1 else 0.0)


def _strength(value: float, factor: float, size: float, power: int = 1) -> float:
    """``value factor size^power``, kept away from the ends of what floats hold."""
    if value == 0.0 or factor == 0.0:
        return 0.0
    exponent = np.log2(value) + np.log2(factor) + power * np.log2(size)
    return (
        value * factor * size**power
        if abs(exponent) < 900.0
        else float(2.0 ** np.clip(exponent, -900.0, 900.0))
    )


def deviations(W: FloatArray, n_classes: int = 1) -> FloatArray:
    """``W (I - 11'/T)``; zero where all columns are equal, which the rounding of a mean is not.

    Of tasks with a column of W for each class: from the mean of the class.
    """
    if n_classes > 1:
        each = W.reshape(len(W), -1, n_classes)
        mean = np.clip(each.mean(axis=1), each.min(axis=1), each.max(axis=1))
        return (each - mean[:, None]).reshape(W.shape)
    mean = np.clip(W.mean(axis=1), W.min(axis=1), W.max(axis=1))
    return W - mean[:, None]


@dataclass(frozen=True, eq=False)
class Composite(Penalty):
    """A structure plus a quadratic."""

    structure_: Structure | None
    quadratic_: TaskQuadratic

    @property
    def structure(self) -> Structure | None:
        return self.structure_

    @property
    def quadratic(self) -> TaskQuadratic:
        return self.quadratic_

    def restrict(self, features: IntArray) -> Self:
        if self.structure_ is None:
            return self
        return replace(self, structure_=self.structure_.restrict(features))

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        quadratic = self.quadratic_.rescaled(factor, size)
        if self.structure_ is None:
            return quadratic
        return Composite(self.structure_.rescaled(factor, size).structure, quadratic)

    def value(self, W: FloatArray) -> float:
        structured = 0.0 if self.structure_ is None else self.structure_.value(W)
        return structured + self.quadratic_.value(W)
