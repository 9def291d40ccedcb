"""Every jitted loop against the same loop in plain Python and against a numpy formula.

With ``NUMBA_DISABLE_JIT=1`` (the coverage run) kernels are plain functions: then the formulas alone
are compared.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq

from malsar_py import _kernels
from malsar_py._kernels import blocks, losses, momentum, row_norms, spectral

PROFILE = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# --- inputs -------------------------------------------------------------------------------------

SCALES = st.sampled_from([1.0, 1.0, 1.0, 1e-100, 1e-8, 1e8, 1e100])
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0]),
    st.floats(-10.0, 10.0, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-6 else 0.0),
)


def arrays(shape, elements=NUMBERS):
    return hnp.arrays(np.float64, shape, elements=elements)


@st.composite
def matrices(draw, n=None, d=None):
    shape = (n or draw(st.integers(1, 6)), d or draw(st.integers(1, 6)))
    return draw(arrays(shape)) * draw(SCALES)


@st.composite
def task_samples(draw, targets=NUMBERS):
    """y, z, c, offsets of a few tasks; some weights are zero, never all of a task's."""
    sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(offsets[-1])
    y, z = draw(arrays(n, targets)), draw(arrays(n))
    c = draw(arrays(n, st.sampled_from([0.0, 0.1, 0.25, 1.0, 3.0])))
    c[offsets[:-1]] = np.maximum(c[offsets[:-1]], 0.5)
    return y, z, c, offsets


def python(kernel):
    """The kernel as plain Python."""
    return getattr(kernel, "py_func", kernel)


def both(kernel, *args):
    """Results and written arrays of the jitted kernel and of its Python source on copies of the
    same arguments.
    """

    def run(function):
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        with np.errstate(all="ignore"):
            result = function(*copies)
        results = result if isinstance(result, tuple) else (result,)
        return results, [a for a in copies if isinstance(a, np.ndarray)]

    return run(kernel), run(python(kernel))


def same(kernel, *args, scale=None, rtol=1e-12):
    """Jitted and Python agree to rounding; returns the jitted results and arrays.

    Sums may be taken in another order: entries are compared relative to the largest of their array,
    or to ``scale``, the size of the sums' terms, where these cancel.
    """
    (results, written), (expected_results, expected_written) = both(kernel, *args)
    for ours, theirs in zip(
        [*results, *written], [*expected_results, *expected_written], strict=True
    ):
        if ours is None:
            assert theirs is None
            continue
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        finite = theirs[np.isfinite(theirs)]
        size = np.abs(finite).max(initial=0.0) if scale is None else scale
        assert_allclose(ours, theirs, rtol=rtol, atol=rtol * size)
    return results, written


def test_every_kernel_is_tested_here():
    """A new kernel needs a test: its name must appear in one of these files."""
    files = Path(__file__).parent.glob("test_kernels*.py")
    source = "".join(path.read_text() for path in files)
    missing = []
    for info in pkgutil.iter_modules(_kernels.__path__):
        module = importlib.import_module(f"{_kernels.__name__}.{info.name}")
        if info.name.startswith("_"):
            continue
        assert info.name in _kernels.__all__
        for name, member in vars(module).items():
            function = python(member)
            own = inspect.isfunction(function) and function.__module__ == module.__name__
            if own and f"{info.name}.{name}" not in source:
                missing.append(f"{info.name}.{name}")
    assert not missing


def test_an_unknown_submodule_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = _kernels.nothing


@pytest.mark.parametrize("n", [0, 1, 7])
def test_column_sizes(n):
    """blocks.column_sizes: the largest of the absolute values."""
    X = np.random.default_rng(n).standard_normal((n, 3))
    _, (_, found) = same(blocks.column_sizes, X, np.full(3, np.nan))
    assert found.tolist() == np.abs(X).max(axis=0, initial=0.0).tolist()


# --- norms of rows ------------------------------------------------------------------------------

CODES = [row_norms.NONE, row_norms.L1, row_norms.ROW_L2]


def shrink(code, V, threshold):
    """Row prox by numpy, rows with a threshold each."""
    tau = np.asarray(threshold)[:, None]
    with np.errstate(all="ignore"):
        if code == row_norms.L1:
            return np.sign(V) * np.maximum(np.abs(V) - tau, 0.0)
        if code == row_norms.ROW_L2:
            size = np.max(np.abs(V), axis=1, keepdims=True)
            length = size * np.linalg.norm(
                V / np.where(size > 0.0, size, 1.0), axis=1, keepdims=True
            )
            return V * np.maximum(
                1.0 - np.divide(tau, length, out=np.ones_like(length), where=length > 0), 0.0
            )
    return V.copy()


@st.composite
def thresholds(draw, V):
    """Zero, beyond every row, ties with an entry or a row norm, and anything between."""
    size = float(np.abs(V).max())
    kinds = st.sampled_from(["zero", "tie", "row", "some", "all"])
    values = []
    for row in V:
        kind = draw(kinds)
        values.append(
            {
                "zero": 0.0,
                "tie": float(abs(row[0])),
                "row": float(np.sqrt(row @ row)),
                "some": 0.3 * size,
                "all": 4.0 * size,
            }[kind]
        )
    return np.array(values)


@pytest.mark.parametrize("code", CODES)
@PROFILE
@given(data=st.data())
def test_prox(code, data):
    V = data.draw(matrices())
    threshold = data.draw(thresholds(V))
    size = np.abs(V).max()
    _, (_, _, out) = same(
        row_norms.prox, code, V, threshold, np.full_like(V, np.nan), scale=size, rtol=1e-13
    )
    assert_allclose(out, shrink(code, V, threshold), rtol=1e-12, atol=1e-14 * size)
    # Sparsity is exact: a row or entry at or below its threshold is 0, not small.
    if code == row_norms.L1:
        assert (out[np.abs(V) <= threshold[:, None]] == 0.0).all()


@pytest.mark.parametrize("code", CODES)
@PROFILE
@given(data=st.data())
def test_shrink_row_returns_the_norm_of_the_result(code, data):
    """row_norms._shrink_row"""
    V = data.draw(matrices(n=1))
    tau = float(data.draw(thresholds(V))[0])
    # (at a tie of row norm and tau, the order of the sum decides between 0 and rounding: absolute)
    (norm,), (out,) = same(
        row_norms._shrink_row, code, V[0], tau, scale=np.abs(V).max(), rtol=1e-13
    )
    expected = {
        row_norms.NONE: 0.0,
        row_norms.L1: np.abs(out).sum(),
        row_norms.ROW_L2: np.sqrt(out @ out),
    }[code]
    assert_allclose(norm, expected, rtol=1e-10, atol=1e-13 * np.abs(V).max())


@pytest.mark.parametrize("code", CODES)
@PROFILE
@given(data=st.data())
def test_step(code, data):
    V = data.draw(matrices())
    scale = float(np.abs(V).max()) or 1.0
    G, W = (data.draw(arrays(V.shape)) * scale for _ in range(2))
    threshold = data.draw(thresholds(V))
    length, ridge = data.draw(st.sampled_from([(1.0, 0.0), (0.5, 0.25), (1e-3, 10.0), (2.0, 0.5)]))
    size = scale * (11.0 + 10.0 * length)
    (uphill, moved), arrays_ = both(
        row_norms.step, code, V, G, W, threshold, length, ridge, np.empty_like(V)
    )[0]
    (uphill_py, moved_py), arrays_py = both(
        row_norms.step, code, V, G, W, threshold, length, ridge, np.empty_like(V)
    )[1]
    out = arrays_[-1]
    # A step that lands within rounding of the kink may go either way: absolute comparison.
    assert_allclose(out, arrays_py[-1], rtol=0, atol=1e-14 * size)
    assert_allclose(
        [uphill, moved], [uphill_py, moved_py], rtol=1e-11, atol=1e-13 * V.size * size**2
    )
    point = (1.0 - length * ridge) * V - length * G
    assert_allclose(out, shrink(code, point, length * threshold), rtol=0, atol=1e-13 * size)
    assert_allclose(
        uphill, np.sum((V - out) * (out - W)), rtol=1e-11, atol=1e-13 * V.size * size**2
    )
    assert_allclose(moved, np.sum((V - out) ** 2), rtol=1e-11, atol=1e-13 * V.size * size**2)
    # Given arrays are read, not written.
    for before, after in zip((V, G, W, threshold), arrays_[:4], strict=True):
        assert_array_equal(before, after)


@PROFILE
@given(data=st.data())
def test_momentum_test(data):
    V = data.draw(matrices()).ravel()
    scale = float(np.abs(V).max()) or 1.0
    W, new = (data.draw(arrays(V.shape)) * scale for _ in range(2))
    size = len(V) * 400.0 * scale**2
    (uphill, moved), _ = same(momentum.momentum_test, V, W, new, scale=size)
    assert_allclose(uphill, np.sum((V - new) * (new - W)), rtol=1e-12, atol=1e-14 * size)
    assert_allclose(moved, np.sum((V - new) ** 2), rtol=1e-12, atol=1e-14 * size)


@PROFILE
@given(data=st.data(), beta=st.sampled_from([0.0, 0.3, 0.99, 1.0]))
def test_extrapolate(data, beta):
    new = data.draw(matrices()).ravel()
    scale = float(np.abs(new).max()) or 1.0
    old = data.draw(arrays(new.shape)) * scale
    _, (_, _, out) = same(
        momentum.extrapolate, new, old, beta, np.empty_like(new), scale=40.0 * scale
    )
    assert_allclose(out, new + beta * (new - old), rtol=1e-12, atol=1e-13 * scale)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
def test_nan_and_infinity_stay(code, bad, run):
    V = np.arange(12.0).reshape(3, 4)
    V[1, 2] = bad
    out = np.zeros_like(V)
    threshold = np.full(3, 0.5)
    with np.errstate(all="ignore"):
        run(row_norms.prox)(code, V, threshold, out)
        assert not np.isfinite(out[1]).all()
        assert np.isfinite(out[[0, 2]]).all()
        if code == row_norms.ROW_L2 and np.isnan(bad):
            assert not (out[1] == 0.0).any()
        row = V[1].copy()
        norm = run(row_norms._shrink_row)(code, row, 0.5)
        assert code == row_norms.NONE or not np.isfinite(norm)

        clean = np.ones((3, 4))
        for position in range(3):
            args = [clean.copy(), clean.copy(), clean.copy()]
            args[position] = V
            uphill, moved = run(row_norms.step)(code, *args, threshold, 0.1, 0.1, out)
            # W enters the restart test alone.
            assert not np.isfinite(uphill)
            assert position == 2 or not np.isfinite(moved)
            assert position == 2 or not np.isfinite(out[1]).all()
            flat = [a.ravel() for a in args]
            uphill, moved = run(momentum.momentum_test)(*flat)
            assert not np.isfinite(uphill)
            assert position == 1 or not np.isfinite(moved)
        target = np.zeros(12)
        run(momentum.extrapolate)(V.ravel(), clean.ravel(), 0.5, target)
        assert not np.isfinite(target[6])
        run(momentum.extrapolate)(clean.ravel(), V.ravel(), 0.5, target)
        assert not np.isfinite(target[6])
        assert np.isfinite(np.delete(target, 6)).all()


# --- spectral -----------------------------------------------------------------------------------


def theta_by_bisection(s, total, low, high, shift):
    """clip(s u - shift, low, high) with the given sum, by bisection on u."""
    positive = s > 0.0

    def at(u):
        return np.where(positive, np.clip(s * u - shift, low, high), low)

    end = (high + shift) / s[positive].min()
    if at(end).sum() <= total * (1.0 + 1e-14):
        return np.where(positive, high, low)
    return at(
        brentq(lambda u: at(u).sum() - total, 0.0, end, xtol=1e-300, rtol=1e-15, maxiter=2000)
    )


@st.composite
def box_problems(draw):
    values = st.one_of(
        st.sampled_from([0.0, 1.0, 1.0, 2.0, 1e-3, 1e-6, 1e-12]),
        st.floats(1e-6, 1.0),
    )
    s = np.sort(draw(arrays(draw(st.integers(1, 8)), values)))[::-1].copy()
    s[0] = max(s[0], 0.5)
    eta = draw(st.sampled_from([1e-6, 1e-2, 0.5, 1.0, 10.0, 1e4]))
    k = draw(st.integers(1, len(s)))
    shift = draw(st.sampled_from([0.0, 1e-8, 0.1, 1.0, 100.0]))
    return s * draw(st.sampled_from([1.0, 1e-50, 1e-6, 1e6, 1e50])), k, eta, shift


@PROFILE
@given(problem=box_problems())
@example((np.array([1.0, 1.0, 1.0]), 1, 0.5, 0.0))
@example((np.array([1.0, 1.0, 0.0]), 2, 0.5, 0.3))
@example((np.array([3.0]), 1, 0.5, 0.3))
def test_box_theta(problem):
    s, k, eta, shift = problem
    low, high, total = eta, 1.0 + eta, k + len(s) * eta
    args = (s, total, low, high, shift, np.empty_like(s))
    ((u,), (_, theta)), ((u_py,), (_, theta_py)) = both(spectral.box_theta, *args)
    assert_allclose(theta, theta_py, rtol=1e-11)
    assert (theta >= low).all()
    assert (theta <= high).all()
    assert_allclose(theta, theta_by_bisection(s, total, low, high, shift), rtol=1e-9)
    if (s > 0.0).sum() > k:
        # (on a flat stretch of the sum u is not unique, theta is)
        assert np.isfinite([u, u_py]).all()
        assert_allclose(theta.sum(), total, rtol=1e-13)
        clipped = np.where(s > 0.0, np.clip(s * u - shift, low, high), low)
        assert_allclose(theta, clipped, rtol=1e-12)
    else:
        # The budget exceeds what the positive entries can hold, or just meets it (u may then be
        # finite).
        assert_allclose(theta, np.where(s > 0.0, high, low), rtol=1e-13)


@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
def test_box_theta_with_nan(run):
    s = np.array([3.0, np.nan, 1.0])
    theta = np.empty(3)
    u = run(spectral.box_theta)(s, 1 + 3 * 0.5, 0.5, 1.5, 0.0, theta)
    # What the caller makes of it, s theta or s^2 / theta, must not become a number.
    assert np.isnan(s * theta).any()
    assert not np.isfinite(u) or np.isnan(theta).any()


# --- losses -------------------------------------------------------------------------------------


def task_slices(offsets):
    return [slice(a, b) for a, b in itertools.pairwise(offsets)]


@PROFILE
@given(samples=task_samples(), fit_intercept=st.booleans(), scale=SCALES)
def test_squared(samples, fit_intercept, scale):
    y, z, c, offsets = samples
    y, z = y * scale, z * scale
    T = len(offsets) - 1
    size = c.sum() * (20.0 * scale) ** 2
    (value,), written = both(
        losses.squared, y, z, c, offsets, fit_intercept, np.full(T, np.nan), np.empty_like(y)
    )[0]
    (value_py,), written_py = both(
        losses.squared, y, z, c, offsets, fit_intercept, np.full(T, np.nan), np.empty_like(y)
    )[1]
    assert_allclose(value, value_py, rtol=1e-12, atol=1e-14 * size)
    b, theta = written[-2:]
    for ours, theirs in zip(written, written_py, strict=True):
        assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13 * scale)
    r = y - z
    expected_b = np.zeros(T)
    if fit_intercept:
        expected_b = np.array([np.average(r[s], weights=c[s]) for s in task_slices(offsets)])
    assert_allclose(b, expected_b, rtol=1e-12, atol=1e-13 * scale)
    r = r - np.repeat(expected_b, np.diff(offsets))
    assert_allclose(theta, c * r, rtol=1e-12, atol=1e-12 * scale)
    assert_allclose(value, 0.5 * np.sum(c * r * r), rtol=1e-12, atol=1e-13 * size)
    assert (theta[c == 0.0] == 0.0).all()


def logistic_b(y, z, c):
    """The best intercept of one task by bisection."""

    def slope(b):
        return float(np.sum(c * y / (1.0 + np.exp(y * (z + b)))))

    return brentq(slope, -60.0, 60.0, xtol=1e-14, rtol=1e-14)


@st.composite
def logistic_samples(draw, both_classes):
    y, z, c, offsets = draw(task_samples(targets=st.sampled_from([-1.0, 1.0])))
    z = z * draw(st.sampled_from([1.0, 1e-8, 1.5, 0.1]))
    if both_classes:
        # A second sample for every task, of the other class and with a weight.
        sizes = np.diff(offsets)
        insert = offsets[:-1]
        y = np.insert(y, insert, -y[insert])
        z = np.insert(z, insert, draw(arrays(len(insert))))
        c = np.insert(c, insert, 0.5)
        offsets = np.concatenate([[0], np.cumsum(sizes + 1)]).astype(np.int64)
    return y, z, c, offsets


@PROFILE
@given(samples=logistic_samples(both_classes=True), start=st.sampled_from([0.0, 3.0, -50.0]))
def test_logistic_with_intercept(samples, start):
    y, z, c, offsets = samples
    T = len(offsets) - 1
    b0 = np.full(T, start)
    (value,), written = same(
        losses.logistic, y, z, c, offsets, True, b0, np.empty_like(y), scale=40.0, rtol=1e-11
    )
    b, theta = written[-2:]
    for t, s in enumerate(task_slices(offsets)):
        assert_allclose(b[t], logistic_b(y[s], z[s], c[s]), rtol=1e-7, atol=1e-7)
        assert abs(theta[s].sum()) <= 1e-12 * c[s].sum()
    m = y * (z + np.repeat(b, np.diff(offsets)))
    assert_allclose(value, np.sum(c * np.logaddexp(0.0, -m)), rtol=1e-13)
    assert_allclose(theta, c * y / (1.0 + np.exp(m)), rtol=1e-12, atol=1e-300)


@PROFILE
@given(
    samples=logistic_samples(both_classes=False),
    scale=st.sampled_from([1.0, 30.0, 1e3, 1e100, 1e-100]),
)
def test_logistic_without_intercept(samples, scale):
    y, z, c, offsets = samples
    z = z * scale
    T = len(offsets) - 1
    args = (y, z, c, offsets, False, np.full(T, 7.0), np.empty_like(y))
    (value,), (*_, b, theta) = same(losses.logistic, *args, scale=0.0)
    assert (b == 0.0).all()
    with np.errstate(over="ignore"):
        assert_allclose(value, np.sum(c * np.logaddexp(0.0, -y * z)), rtol=1e-12)
        assert_allclose(theta, c * y / (1.0 + np.exp(y * z)), rtol=1e-12, atol=1e-300)


@PROFILE
@given(samples=logistic_samples(both_classes=True), b=st.sampled_from([0.0, 2.0, -30.0]))
def test_logistic_task(samples, b):
    """losses._logistic_task"""
    y, z, c, _ = samples
    (gradient, curvature), (*_, theta) = same(
        losses._logistic_task, y, z, c, b, np.empty_like(y), scale=c.sum()
    )
    p = 1.0 / (1.0 + np.exp(y * (z + b)))
    assert_allclose(theta, c * y * p, rtol=1e-12, atol=1e-300)
    assert_allclose(gradient, np.sum(c * y * p), rtol=1e-12, atol=1e-14 * c.sum())
    assert_allclose(curvature, np.sum(c * p * (1.0 - p)), rtol=1e-9, atol=1e-14 * c.sum())


def test_logistic_intercept_of_hard_tasks():
    """One positive in many, huge margins, far starts: still the best intercept, in a bounded number
    of steps.
    """
    rng = np.random.default_rng(0)
    for scale in (0.0, 1.0, 10.0, 50.0):
        for positives in (1, 2, 500):
            y = np.where(np.arange(1000) < positives, 1.0, -1.0)
            z = scale * rng.standard_normal(1000)
            c = np.full(1000, 1e-3)
            offsets = np.array([0, 1000])
            values = []
            for start in (0.0, -40.0, 700.0, -700.0):
                b, theta = np.array([start]), np.empty(1000)
                values.append(losses.logistic(y, z, c, offsets, True, b, theta))
                assert abs(theta.sum()) <= 1e-12
            assert_allclose(values, values[0], rtol=1e-12)
            best = logistic_b(y, z, c) if scale < 40.0 else None
            if best is not None:
                assert_allclose(
                    values[0], np.sum(c * np.logaddexp(0.0, -y * (z + best))), rtol=1e-10
                )


@PROFILE
@given(samples=logistic_samples(both_classes=True), one_class=st.booleans())
def test_balance(samples, one_class):
    y, z, c, offsets = samples
    if one_class:
        y = np.ones_like(y)
    theta = c * y / (1.0 + np.exp(y * z))
    _, (_, out) = same(losses.balance, offsets, theta, rtol=1e-13)
    for s in task_slices(offsets):
        assert abs(out[s].sum()) <= 1e-14 * np.abs(theta[s]).sum()
        assert (np.abs(out[s]) <= np.abs(theta[s]) * (1.0 + 1e-15)).all()
        assert (y[s] * out[s] >= 0.0).all()
        plus, minus = theta[s][y[s] > 0.0].sum(), -theta[s][y[s] < 0.0].sum()
        expected = np.where(
            y[s] > 0.0, min(plus, minus) / (plus or 1.0), min(plus, minus) / (minus or 1.0)
        )
        assert_allclose(out[s], theta[s] * expected, rtol=1e-13)


@PROFILE
@given(samples=logistic_samples(both_classes=True), alpha=st.sampled_from([1.0, 0.5, 0.0, 1e-9]))
def test_logistic_dual(samples, alpha):
    y, z, c, _ = samples
    a = 1.0 / (1.0 + np.exp(y * z))
    a[::3] = 0.0
    a[1::5] = 1.0
    (value,), _ = same(losses.logistic_dual, y, c * y * a, c, alpha, scale=c.sum(), rtol=1e-13)
    a = alpha * a
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(a > 0.0, a * np.log(a), 0.0) - np.where(
            a < 1.0, (1 - a) * np.log1p(-a), 0.0
        )
    assert_allclose(value, np.sum(c * entropy), rtol=1e-12, atol=1e-14 * c.sum())


@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
def test_logistic_dual_outside_its_domain(run):
    y, c = np.array([1.0, -1.0, 1.0]), np.array([1.0, 2.0, 0.0])
    dual = run(losses.logistic_dual)
    assert dual(y, np.array([1.5, -1.0, 0.0]), c, 1.0) == -np.inf
    assert dual(y, np.array([-0.1, -1.0, 0.0]), c, 1.0) == -np.inf
    assert dual(y, np.array([np.nan, -1.0, 0.0]), c, 1.0) == -np.inf
    # A sample of weight 0 does not count, whatever its theta.
    assert np.isfinite(dual(y, np.array([0.5, -1.0, 9.0]), c, 1.0))


@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("where", ["y", "z"])
def test_losses_with_nan(run, fit_intercept, where):
    """NaN in gives NaN out in its own task, and nothing in the other."""
    offsets = np.array([0, 4, 8])
    y = np.tile([1.0, -1.0], 4)
    z = np.linspace(-1.0, 1.0, 8)
    (y if where == "y" else z)[2] = np.nan
    c = np.ones(8)
    with np.errstate(all="ignore"):
        for kernel in (losses.squared, losses.logistic):
            b, theta = np.zeros(2), np.zeros(8)
            assert np.isnan(run(kernel)(y, z, c, offsets, fit_intercept, b, theta))
            assert np.isnan(theta[2])
            assert np.isfinite(theta[4:]).all()
            assert np.isfinite(b[1])
        theta = np.linspace(0.1, 0.2, 8) * np.tile([1.0, -1.0], 4)
        theta[2] = np.nan
        run(losses.balance)(offsets, theta)
        assert np.isnan(theta[2])
        assert np.isfinite(theta[4:]).all()


# --- blocks -------------------------------------------------------------------------------------


@st.composite
def block_problems(draw):
    """X, W (T, d), theta, offsets; empty tasks cannot occur, one row can."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    d = draw(st.integers(1, 6))
    scale = draw(SCALES)
    X = draw(arrays((int(offsets[-1]), d))) * scale
    return X, draw(arrays((len(sizes), d))), draw(arrays(len(X))), offsets, scale


@PROFILE
@given(problem=block_problems())
def test_blocks_predict_and_adjoint(problem):
    X, W, theta, offsets, scale = problem
    size = 100.0 * scale * max(X.shape)
    _, (*_, z) = same(blocks.predict, X, W, offsets, np.full(len(X), np.nan), scale=size)
    _, (*_, G) = same(blocks.adjoint, X, theta, offsets, np.full(W.shape, np.nan), scale=size)
    for t, s in enumerate(task_slices(offsets)):
        assert_allclose(z[s], X[s] @ W[t], rtol=1e-12, atol=1e-14 * size)
        assert_allclose(G[t], theta[s] @ X[s], rtol=1e-12, atol=1e-14 * size)
    empty = np.full(W.shape, np.nan)
    _, (*_, H) = same(blocks.twice, X, W, offsets, empty, scale=size * scale)
    for t, s in enumerate(task_slices(offsets)):
        assert_allclose(H[t], X[s].T @ (X[s] @ W[t]), rtol=1e-12, atol=1e-14 * size * scale)
    assert_allclose(np.vdot(z, theta), np.vdot(W, G), rtol=1e-12, atol=1e-12 * size)


@PROFILE
@given(problem=block_problems())
def test_blocks_centre(problem):
    X, W, theta, offsets, scale = problem
    c, size = np.abs(theta) + 1.0, 100.0 * scale * max(X.shape)
    empty = np.full(W.shape, np.nan), np.full(X.shape, np.nan)
    _, (*_, means, rest) = same(blocks.centre, X, c, offsets, *empty, scale=size)
    for t, s in enumerate(task_slices(offsets)):
        assert_allclose(means[t], c[s] @ X[s] / c[s].sum(), rtol=1e-12, atol=1e-14 * size)
        assert_allclose(rest[s], X[s] - means[t], rtol=1e-12, atol=1e-14 * size)


@PROFILE
@given(data=st.data(), T=st.integers(1, 4), d=st.integers(1, 6))
def test_blocks_gram_product(data, T, d):
    scale = data.draw(SCALES)
    H = data.draw(arrays((T, d, d))) * scale
    H = H + H.transpose(0, 2, 1)
    W = data.draw(arrays((d, T)))
    _, (*_, out) = same(blocks.gram_product, H, W, np.full((d, T), np.nan), scale=400.0 * scale * d)
    assert_allclose(out, np.einsum("tij,jt->it", H, W), rtol=1e-12, atol=1e-12 * scale * d)


@PROFILE
@given(seed=st.integers(0, 2**16), T=st.integers(1, 5), d=st.integers(1, 4))
def test_blocks_eliminate(seed, T, d):
    rng = np.random.default_rng(seed)
    parent = np.array([rng.integers(-1, t) for t in range(T)], dtype=np.int64)
    order = np.arange(T, dtype=np.int64)
    ties = np.where(parent < 0, 0.0, rng.standard_normal(T))
    A = rng.standard_normal((T, d, d))
    A = A @ A.transpose(0, 2, 1) + (1.0 + np.square(ties).sum()) * 2.0 * np.eye(d)
    R = rng.standard_normal((T, d))
    system = np.zeros((T, d, T, d))
    left, inverses = A.copy(), np.empty_like(A)
    for t in range(T):
        system[t, :, t] = A[t]
        if parent[t] >= 0:
            system[t, :, parent[t]] = system[parent[t], :, t] = ties[t] * np.eye(d)
    for t in reversed(range(T)):
        inverses[t] = np.linalg.inv(left[t])
        if parent[t] >= 0:
            left[parent[t]] -= ties[t] ** 2 * inverses[t]
    _, (*_, W) = same(blocks.eliminate, order, parent, ties, inverses, R, scale=100.0)
    expected = np.linalg.solve(system.reshape(T * d, T * d), R.ravel()).reshape(T, d)
    assert_allclose(W, expected, rtol=1e-9, atol=1e-9)


@PROFILE
@given(problem=block_problems(), centered=st.booleans())
def test_blocks_gram_and_squares(problem, centered):
    X, _, theta, offsets, scale = problem
    weight, d = np.abs(theta), X.shape[1]
    size = 400.0 * scale * scale * max(X.shape) * max(weight.max(initial=0.0), 1.0)
    H, sums = np.full((len(offsets) - 1, d, d), np.nan), np.full((len(offsets) - 1, d), np.nan)
    _, (*_, H) = same(blocks.gram, X, weight, offsets, centered, H, scale=size)
    _, (*_, sums) = same(blocks.squares, X, weight, offsets, sums, scale=size)
    for t, s in enumerate(task_slices(offsets)):
        Z, w = X[s], weight[s]
        assert_allclose(sums[t], w @ Z**2, rtol=1e-12, atol=1e-14 * size)
        if centered and w.sum() > 0.0:
            Z = Z - w @ Z / w.sum()
        assert_allclose(H[t], (Z.T * w) @ Z, rtol=1e-12, atol=1e-14 * size)


@PROFILE
@given(problem=block_problems(), seed=st.integers(0, 9))
def test_blocks_leftovers_and_lower(problem, seed):
    X, _, theta, offsets, scale = problem
    rng, shape = np.random.default_rng(seed), (len(offsets) - 1, X.shape[1])
    near, equal = rng.random(shape) < 0.5, rng.random(shape) < 0.5
    for t, s in enumerate(task_slices(offsets)):
        X[s] = np.where(equal[t], X[s][:1], X[s])
    weight, size = np.abs(theta) + 1.0, 400.0 * scale * len(X)
    zeros = np.zeros(shape), np.zeros(shape, np.bool_)
    _, (*_, left, constant) = same(
        blocks.leftovers, X, weight, offsets, near, *zeros, scale=size * weight.max()
    )
    _, (lowered, *_) = same(blocks.lower, X, offsets, near, constant, left, scale=size)
    for t, s in enumerate(task_slices(offsets)):
        assert_array_equal(constant[t], near[t] & (X[s] == X[s][:1]).all(axis=0))
        means = np.where(constant[t], X[s][0], weight[s] @ X[s] / weight[s].sum())
        assert_allclose(left[t], np.where(near[t], means, 0.0), rtol=1e-12, atol=1e-12 * scale)
        assert_array_equal(lowered[s][:, ~near[t]], X[s][:, ~near[t]])
        assert not lowered[s][:, constant[t]].any()
        assert_allclose(
            lowered[s][:, near[t]], (X[s] - means)[:, near[t]], rtol=1e-9, atol=1e-12 * scale
        )


@PROFILE
@given(problem=block_problems(), shift=st.floats(1e-3, 1e3))
def test_blocks_whiten(problem, shift):
    Z, _, _, offsets, scale = problem
    shifts = shift * scale * scale * (1.0 + np.arange(len(offsets) - 1.0))
    unit = max(scale * scale, shifts.max())
    _, (*_, V) = same(blocks.whiten, Z, offsets, shifts, unit, np.full_like(Z, np.nan), scale=scale)
    for t, s in enumerate(task_slices(offsets)):
        K = (Z[s] @ Z[s].T + shifts[t] * np.eye(len(Z[s]))) / unit
        expected = Z[s].T @ np.linalg.solve(K, Z[s])
        assert_allclose(V[s].T @ V[s], expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())
    in_place = Z.copy()
    blocks.whiten(in_place, offsets, shifts, unit, in_place)
    assert_allclose(in_place, V, rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_blocks_with_nan(run, bad):
    """It reaches every output that depends on it, and no other."""
    offsets = np.array([0, 2, 5])
    X, W = np.ones((5, 3)), np.ones((2, 3))
    X[1, 2] = bad
    z, G = np.zeros(5), np.zeros((2, 3))
    run(blocks.predict)(X, W, offsets, z)
    assert_array_equal(np.isfinite(z), [True, False, True, True, True])
    run(blocks.adjoint)(X, np.ones(5), offsets, G)
    assert_array_equal(np.isfinite(G), [[True, True, False], [True, True, True]])
    X[1, 2], W[1, 0] = 1.0, bad
    run(blocks.predict)(X, W, offsets, z)
    assert_array_equal(np.isfinite(z), [True, True, False, False, False])
    theta = np.ones(5)
    theta[3] = bad
    run(blocks.adjoint)(X, theta, offsets, G)
    assert_array_equal(np.isfinite(G), [[True] * 3, [False] * 3])
    H, out = np.ones((2, 3, 3)), np.zeros((3, 2))
    H[1, 0, 0] = bad
    run(blocks.gram_product)(H, np.ones((3, 2)), out)
    assert_array_equal(np.isfinite(out), [[True, False], [True, True], [True, True]])
    run(blocks.gram_product)(np.ones((2, 3, 3)), W.T.copy(), out)
    assert_array_equal(np.isfinite(out), [[True, False]] * 3)
