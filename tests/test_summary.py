"""Summaries: few rows with the loss of all, sums of parts, tables in batches, what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from malsar_py import (
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    Summary,
    TraceNormRegressor,
    summarize,
)

pd = pytest.importorskip("pandas")
NAMES = ["a", "b", "c"]


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)) * [1.0, 10.0, 0.1]
    y = X @ [1.0, 0.1, -5.0] + rng.standard_normal(200)
    return X, y, rng.choice(["u", "v", "w"], 200), rng.uniform(0.5, 2.0, 200)


def loss(W, b, X, y, tasks, weight):
    """Weighted sum of squares of each task, added up in long doubles."""
    total = {}
    for t, label in enumerate(np.unique(tasks)):
        own = tasks == label
        residual = y[own].astype(np.longdouble) - X[own].astype(np.longdouble) @ W[t] - b[t]
        total[label] = float((weight[own] * residual**2).sum())
    return total


def test_few_rows_have_the_loss_of_all(rows):
    X, y, tasks, weight = rows
    few = Summary().update(X, y, tasks=tasks, sample_weight=weight).rows()
    assert len(few.target) == 3 * (3 + 2)
    rng = np.random.default_rng(1)
    for _ in range(5):
        W, b = rng.standard_normal((3, 3)), rng.standard_normal(3)
        here = loss(W, b, few.data, few.target, few.tasks, few.sample_weight)
        there = loss(W, b, X, y, tasks, weight)
        assert here == pytest.approx(there, rel=1e-12)
    for label in "uvw":
        assert few.sample_weight[few.tasks == label].sum() == pytest.approx(
            weight[tasks == label].sum(), rel=1e-14
        )


@pytest.mark.parametrize(
    "model", [LassoRegressor, JointFeatureRegressor, TraceNormRegressor, MeanRegularizedRegressor]
)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_fits_are_those_of_all_rows(model, fit_intercept, rows):
    X, y, tasks, weight = rows
    few = Summary().update(X, y, tasks=tasks, sample_weight=weight).rows()
    options = {"lambda1": 0.3, "tol": 1e-12, "fit_intercept": fit_intercept}
    a = model(**options).fit(few.data, few.target, tasks=few.tasks, sample_weight=few.sample_weight)
    b = model(**options).fit(X, y, tasks=tasks, sample_weight=weight)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=0, atol=1e-9 * np.abs(b.coef_).max())
    np.testing.assert_allclose(a.intercept_, b.intercept_, atol=1e-9)


def test_several_targets_share_their_rows(rows):
    X, y, _, _ = rows
    Y = np.column_stack([y, -y + X[:, 0], np.abs(y)])
    summary = Summary().update(X[:90], Y[:90]).update(X[90:], Y[90:])
    few = summary.rows()
    assert few.data.shape == (3 + 3 + 1, 3) and few.target.shape == (7, 3) and few.tasks is None
    a = JointFeatureRegressor(tol=1e-12).fit(few.data, few.target, sample_weight=few.sample_weight)
    b = JointFeatureRegressor(tol=1e-12).fit(X, Y)
    np.testing.assert_allclose(a.coef_, b.coef_, atol=1e-9)
    assert summary.tasks_.tolist() == [0, 1, 2]


def moments(summary):
    """Weights, means and scatter by key."""
    state = summary._moments
    return {
        key: (state.weight[k], state.mean[k], state.scatter[k]) for key, k in summary._keys.items()
    }


def same(first, second, rtol=1e-12):
    a, b = moments(first), moments(second)
    assert set(a) == set(b)
    for key, (weight, mean, scatter) in a.items():
        assert weight == pytest.approx(b[key][0], rel=rtol)
        np.testing.assert_allclose(mean, b[key][1], rtol=rtol, atol=rtol)
        unit = np.sqrt(np.diagonal(scatter))
        error = np.abs(scatter - b[key][2]) / np.maximum(np.outer(unit, unit), 1e-300)
        assert error.max() <= rtol


def test_the_order_and_the_size_of_parts_do_not_matter(rows):
    X, y, tasks, weight = rows
    whole = Summary().update(X, y, tasks=tasks, sample_weight=weight)
    for size in (1, 7, 64):
        parts = np.array_split(np.random.default_rng(size).permutation(200), 200 // size)
        grown, added = Summary(), []
        for own in parts:
            args = {"tasks": tasks[own], "sample_weight": weight[own]}
            grown.update(X[own], y[own], **args)
            added.append(Summary().update(X[own], y[own], **args))
        same(whole, grown)
        same(whole, sum(added))
        same(whole, sum(added[::-1]))
        middle = len(added) // 2
        same(sum(added), sum(added[:middle]) + sum(added[middle:]))


def test_addition_is_pure(rows):
    X, y, tasks, _ = rows
    first, second = (
        Summary().update(X[own], y[own], tasks=tasks[own]) for own in (slice(100), slice(100, 200))
    )
    before = pickle.dumps(first), pickle.dumps(second)
    once, twice = first + second, first + second
    same(once, twice, rtol=0)
    assert (pickle.dumps(first), pickle.dumps(second)) == before
    empty = Summary()
    same(first + empty, first, rtol=0)
    same(empty + first, first, rtol=0)
    assert (empty + empty).n_rows_ == 0
    same(pickle.loads(pickle.dumps(once)), once, rtol=0)
    with pytest.raises(TypeError):
        first + 1


@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6, 1e8])
def test_columns_far_from_zero(offset, rows):
    """Against sums of the same shifted numbers about their exact mean."""
    X, y, tasks, weight = rows
    X = X + offset
    parts = np.array_split(np.arange(200), 11)
    summary = sum(
        Summary().update(X[own], y[own], tasks=tasks[own], sample_weight=weight[own])
        for own in parts
    )
    exact = (X.astype(np.longdouble) - np.longdouble(offset)).astype(float)
    reference = Summary().update(exact, y, tasks=tasks, sample_weight=weight)
    for key, (_, _, scatter) in moments(summary).items():
        there = moments(reference)[key][2]
        unit = np.sqrt(np.diagonal(there))
        assert (np.abs(scatter - there) / np.outer(unit, unit)).max() < 1e-13


def test_constant_columns_stay_constant():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [np.full(60, 0.1), np.repeat([0.3, 1e9 + 0.7], 30), rng.standard_normal(60)]
    )
    tasks = np.repeat([0, 1], 30)
    parts = np.array_split(rng.permutation(60), 7)
    summary = sum(Summary().update(X[own], X[own, 2], tasks=tasks[own]) for own in parts)
    few = summary.rows()
    for t, level in enumerate([0.3, 1e9 + 0.7]):
        assert set(few.data[few.tasks == t, 0]) == {0.1}
        assert set(few.data[few.tasks == t, 1]) == {level}


@pytest.mark.parametrize("n", range(1, 8))
def test_tasks_of_few_rows(n):
    rng = np.random.default_rng(n)
    X, y, weight = rng.standard_normal((n, 3)), rng.standard_normal(n), rng.uniform(1, 2, n)
    few = Summary().update(X, y, sample_weight=weight).rows()
    assert len(few.target) == min(n, 5) and few.tasks is None
    Z, R = (
        np.column_stack([np.ones(n), X, y]),
        np.column_stack([few.target * 0 + 1, few.data, few.target]),
    )
    np.testing.assert_allclose(
        (few.sample_weight * R.T) @ R, (weight * Z.T) @ Z, rtol=1e-12, atol=1e-12
    )


def test_rows_that_do_not_count_are_left_out(rows):
    X, y, tasks, weight = rows
    odd = y.copy()
    odd[:50] = np.nan
    gone = weight.copy()
    gone[50:80] = 0.0
    summary = Summary().update(
        X, odd, tasks=np.where(np.arange(200) < 80, "gone", tasks), sample_weight=gone
    )
    same(summary, Summary().update(X[80:], y[80:], tasks=tasks[80:], sample_weight=weight[80:]))
    assert summary.tasks_.tolist() == ["u", "v", "w"] and summary.n_rows_ == 120


def test_folds(rows):
    X, y, tasks, weight = rows
    folds = np.arange(200) % 4
    summary = Summary().update(X, y, tasks=tasks, folds=folds, sample_weight=weight)
    few = summary.rows()
    assert summary.folds_.tolist() == [0, 1, 2, 3] and len(few.target) == 3 * 4 * 5
    for fold in range(4):
        own, mine = few.folds == fold, folds == fold
        here = loss(
            np.ones((3, 3)),
            np.ones(3),
            *(few[k][own] for k in ("data", "target", "tasks", "sample_weight")),
        )
        assert here == pytest.approx(
            loss(np.ones((3, 3)), np.ones(3), X[mine], y[mine], tasks[mine], weight[mine])
        )


# --- tables --------------------------------------------------------------------------------------


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.standard_normal((400, 3)), columns=NAMES)
    frame["task"] = pd.Categorical(rng.choice(["u", "v", "w"], 400))
    frame["y"] = frame["a"] + rng.standard_normal(400)
    frame.loc[::9, "y"] = np.nan
    frame["w"] = rng.uniform(0.0, 2.0, 400)
    return frame


GIVEN = {"task_column": "task", "target": "y", "sample_weight": "w", "folds": 3}


def cut(table, *ends):
    return [table.iloc[a:b] for a, b in zip((0, *ends), (*ends, len(table)), strict=True)]


def test_batches_of_pandas(table):
    whole = summarize(table, **GIVEN)
    assert whole.feature_names_.tolist() == NAMES
    assert whole.n_rows_ == int(table["y"].notna().sum())
    same(whole, summarize(cut(table, 1, 1, 150), **GIVEN))
    same(whole, summarize(iter(cut(table, 90)), **GIVEN))
    same(whole, summarize(table.sample(frac=1.0, random_state=0), **GIVEN))
    first, second = cut(table, 200)
    same(whole, summarize([first, second[["w", "y", "b", "a", "c", "task"]]], **GIVEN))
    # A categorical's codes differ from partition to partition, its values do not.
    own = [
        part.assign(task=part["task"].cat.remove_unused_categories())
        for part in cut(table.sort_values("task"), 130, 270)
    ]
    same(whole, summarize(own, **GIVEN))


def test_tuples_and_hashed_folds(table):
    seen = table.dropna()
    parts = [
        (p[NAMES].to_numpy(), p["y"].to_numpy(), p["task"].to_numpy(), p["w"].to_numpy())
        for p in cut(seen, 77)
    ]
    given = summarize(parts, folds=3)
    same(summarize(seen, **GIVEN), given)
    sizes = np.bincount(
        [fold for _, fold in given._keys], weights=given._moments.n[list(given._keys.values())]
    )
    assert sizes.min() > 0.7 * len(seen) / 3


def test_polars_and_arrow(table):
    whole = summarize(table, **GIVEN)
    pl = pytest.importorskip("polars")
    same(whole, summarize(pl.from_pandas(table), **GIVEN))
    with pytest.raises(TypeError, match="lazy LazyFrame"):
        summarize(pl.from_pandas(table).lazy(), **GIVEN)
    with pytest.raises(TypeError, match=r"'rows\.parquet' is the name of a file"):
        summarize("rows.parquet", **GIVEN)
    pa = pytest.importorskip("pyarrow")
    arrow = pa.Table.from_pandas(table)
    same(whole, summarize(arrow, **GIVEN))
    same(whole, summarize(arrow.to_batches(max_chunksize=90), **GIVEN))
    dataset = pytest.importorskip("pyarrow.dataset")
    same(whole, summarize(dataset.dataset(arrow), **GIVEN))


def test_dask(table):
    dask_frame = pytest.importorskip("dask.dataframe")
    whole = summarize(table, **GIVEN)
    sorted_table = table.sort_values("task")  # a task in one partition or two
    for npartitions in (1, 2, 7):
        parts = dask_frame.from_pandas(sorted_table, npartitions=npartitions, sort=False)
        same(whole, summarize(parts, **GIVEN))
        same(whole, summarize(list(parts.to_delayed())[::-1], **GIVEN))
        some = parts[parts["task"] == "u"]  # empty partitions
        same(summarize(table[table["task"] == "u"], **GIVEN), summarize(some, **GIVEN))


# --- what is refused -----------------------------------------------------------------------------


def test_rows_that_do_not_fit_the_ones_before(rows):
    X, y, tasks, _ = rows
    summary = Summary().update(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="same columns as before: 3 were seen first, 2 are given"):
        summary.update(X[:, :2], y, tasks=tasks)
    with pytest.raises(ValueError, match="`tasks` must be given with all rows or with none"):
        summary.update(X, y)
    with pytest.raises(
        TypeError, match="`tasks` holds labels that are numbers, those before were strings"
    ):
        summary.update(X, y, tasks=np.zeros(200))
    with pytest.raises(ValueError, match="targets seen first"):
        Summary().update(X, y).update(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="another order"):
        Summary().update(pd.DataFrame(X, columns=NAMES), y).update(
            pd.DataFrame(X, columns=NAMES[::-1]), y
        )
    same(summary, Summary().update(X, y, tasks=tasks), rtol=0)  # nothing of them was taken in


def test_values_that_cannot_be_used(rows):
    X, y, tasks, _ = rows
    with pytest.raises(ValueError, match="contains NaN"):
        Summary().update(np.where(X[3] == X, np.nan, X), y)
    with pytest.raises(ValueError, match="infinity"):
        Summary().update(X, np.where(y == y[0], np.inf, y))
    with pytest.raises(ValueError, match="several targets holds NaN"):
        Summary().update(X, np.column_stack([y, np.where(y > 0, np.nan, y)]))
    with pytest.raises(ValueError, match="cannot be combined with `tasks`"):
        Summary().update(X, np.column_stack([y, y]), tasks=tasks)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        Summary().update(X, y, sample_weight=-np.ones(200))
    with pytest.raises(ValueError, match="summary is empty"):
        Summary().rows()


def test_memory_is_bounded(rows):
    X, y, tasks, _ = rows
    with pytest.raises(MemoryError, match=r"8 x 3 x 4\^2 = .* more than max_memory=383"):
        Summary(max_memory=383).update(X, y, tasks=tasks)
    assert Summary(max_memory=384).update(X, y, tasks=tasks).n_rows_ == 200


def test_batches_that_cannot_be_used(table):
    with pytest.raises(ValueError, match="batch 1: the table has no column 'task'"):
        summarize([table, table.drop(columns="task")], **GIVEN)
    with pytest.raises(ValueError, match="batch 1: X must have the same columns"):
        summarize([table, table.assign(d=1.0)], **GIVEN)
    with pytest.raises(ValueError, match="batch 0: column 'a' does not hold numbers"):
        summarize(table.assign(a="x"), **GIVEN)
    with pytest.raises(
        ValueError, match="batch 0: Input X contains NaN or infinity: column 'b', row 2"
    ):
        summarize(table.assign(b=np.where(np.arange(400) == 2, np.nan, 0.0)), **GIVEN)
    with pytest.raises(TypeError, match="batch 1: `tasks` holds labels that are numbers"):
        summarize([table, table.assign(task=1)], **GIVEN)
    with pytest.raises(TypeError, match="batch 0: expected a table or"):
        summarize([table.to_numpy()], **GIVEN)
    with pytest.raises(ValueError, match="folds must be a column or at least 2"):
        summarize(table, **(GIVEN | {"folds": 1}))
    with pytest.raises(TypeError, match="batches must be a table"):
        summarize(3, **GIVEN)
