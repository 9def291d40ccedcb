"""Incomplete multi-source models: patterns, prediction, what is refused, golden problems."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict

import malsar_py
from malsar_py import (
    IncompleteMultiSourceClassifier,
    IncompleteMultiSourceRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
)

from . import malsar_map
from .test_golden import half_squares, mean_logistic

SOURCES = ["mri", "mri", "pet", "pet", "pet", "csf"]


def incomplete(classify=False, seed=0, n=90):
    """X with NaN blocks, y, and which of the sources (mri, pet, csf) each row has."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 6)) + 0.3
    y = X @ [1.0, 0.0, -1.0, 0.0, 0.0, 0.5] + 0.3 * rng.standard_normal(n)
    present = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1]], bool)[np.arange(n) % 3]
    X[~present[:, [0, 0, 1, 1, 1, 2]]] = np.nan
    return X, y > 0.4 if classify else y, present


def model(classify=False, **parameters):
    cls = IncompleteMultiSourceClassifier if classify else IncompleteMultiSourceRegressor
    return cls(**{"sources": SOURCES, "lambda1": 0.02} | parameters)


classify_or_not = pytest.mark.parametrize("classify", [False, True])


# --- what is fitted -----------------------------------------------------------------------------


@classify_or_not
def test_the_pattern_is_the_task(classify):
    X, y, _ = incomplete(classify)
    fitted = model(classify).fit(X, y)
    assert fitted.source_names_.tolist() == ["csf", "mri", "pet"]
    assert_array_equal(fitted.feature_sources_, [1, 1, 2, 2, 2, 0])
    assert fitted.tasks_.tolist() == [("csf", "mri", "pet"), ("csf", "pet"), ("mri", "pet")]
    assert_array_equal(fitted.patterns_, [[1, 1, 1], [1, 0, 1], [0, 1, 1]])
    assert fitted.coef_.shape == (3, 6)
    assert (fitted.coef_[~fitted.patterns_[:, fitted.feature_sources_]] == 0.0).all()
    assert fitted.relative_gap_ <= fitted.tol


@classify_or_not
def test_zero_filled_joint_feature_is_the_same(classify):
    X, y, present = incomplete(classify)
    labels = ["".join(map(str, row.astype(int))) for row in present]
    cls = JointFeatureClassifier if classify else JointFeatureRegressor
    other = cls(lambda1=0.02, tol=1e-12).fit(np.nan_to_num(X), y, tasks=labels)
    fitted = model(classify, tol=1e-12).fit(X, y)
    assert other.tasks_.tolist() == ["011", "110", "111"]
    assert_allclose(fitted.coef_, other.coef_[[2, 0, 1]], atol=1e-7)
    assert_allclose(fitted.intercept_, other.intercept_[[2, 0, 1]], atol=1e-7)


def test_complete_rows_are_a_lasso():
    X, y, _ = incomplete()
    X = np.nan_to_num(X)
    one = LassoRegressor(lambda1=0.1, tol=1e-12).fit(X, y)
    for sources in (SOURCES, None):
        fitted = model(sources=sources, lambda1=0.1, tol=1e-12).fit(X, y)
        assert fitted.coef_.shape == (1, 6)
        assert_allclose(fitted.coef_[0], one.coef_, atol=1e-8)
        assert_allclose(fitted.predict(X), one.predict(X), atol=1e-7)


FORMS = {
    "labels": SOURCES,
    "array": np.array(SOURCES),
    "positions": [[5], [0, 1], [-4, 3, 4]],
    "numbers": np.array([1, 1, 2, 2, 2, 0]),
    "names": [["f"], ["a", "b"], ["c", "d", "e"]],
    "mapping": {"csf": "f", "mri": ["a", 1], "pet": ["c", "d", "e"]},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_sources(form):
    X, y, _ = incomplete()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    fitted = model(sources=FORMS[form]).fit(frame, y)
    assert_array_equal(fitted.patterns_, [[1, 1, 1], [1, 0, 1], [0, 1, 1]])
    assert_array_equal(fitted.coef_, model().fit(X, y).coef_)
    assert fitted.coef_feature_names_.tolist() == list("abcdef")


def test_task_weights_by_pattern():
    X, y, _ = incomplete()
    weights = {("csf", "mri", "pet"): 1.0, ("csf", "pet"): 2.0, ("mri", "pet"): 3.0}
    fitted = model(task_weight=weights, tol=1e-10).fit(X, y)
    again = model(task_weight={k: v for k, v in reversed(weights.items())}, tol=1e-10).fit(X, y)
    assert_array_equal(fitted.coef_, again.coef_)
    assert np.abs(fitted.coef_ - model(tol=1e-10).fit(X, y).coef_).max() > 1e-4


def test_the_callers_array_is_left_alone():
    X, y, _ = incomplete()
    before = X.copy()
    model().fit(X, y).predict(X)
    assert_array_equal(X, before)


# --- prediction ---------------------------------------------------------------------------------


@classify_or_not
def test_predict_every_fitted_pattern(classify):
    X, y, present = incomplete(classify)
    fitted = model(classify).fit(X, y)
    z = fitted.decision_function(X) if classify else fitted.predict(X)
    for t, pattern in enumerate(fitted.patterns_):
        own = (present[:, [2, 0, 1]] == pattern).all(axis=1)
        expected = np.nan_to_num(X[own]) @ fitted.coef_[t] + fitted.intercept_[t]
        assert_allclose(z[own], expected, rtol=1e-12)
    assert 0.5 < fitted.score(X, y) <= 1.0


def test_unseen_patterns_take_the_largest_fitted_subset():
    X, y, present = incomplete()
    whole = present.all(axis=1)
    fitted = model().fit(X[~whole], y[~whole])
    # Two fitted subsets with two sources each: (mri, pet) has more features than (csf, pet).
    assert fitted.tasks_.tolist() == [("csf", "pet"), ("mri", "pet")]
    row = np.arange(6.0)[None]
    assert_allclose(fitted.predict(row), row @ fitted.coef_[1] + fitted.intercept_[1])
    alone = np.array([[np.nan, np.nan, 1.0, 2.0, 3.0, np.nan]])
    with pytest.raises(ValueError, match=r"Row 0 of X has the sources \['pet'\], and no pattern"):
        fitted.predict(alone)
    # More sources count before more features.
    X2 = np.array([[1.0, 1, np.nan, 2, 3], [2, 0, np.nan, 1, 0], [np.nan, np.nan, 1, 1, 1]])
    X2 = np.vstack([X2, X2 + 1.0])
    sources = [0, 1, 2, 2, 2]
    X2[[0, 1, 3, 4], 2:] = np.nan
    small = model(sources=sources).fit(X2, np.arange(6.0))
    row = np.ones((1, 5))
    assert_allclose(small.predict(row), row @ small.coef_[0] + small.intercept_[0])


def test_score_is_the_mean_over_patterns():
    from sklearn.metrics import r2_score

    X, y, present = incomplete()
    fitted = model().fit(X, y)
    z, codes = fitted.predict(X), present @ [1, 2, 4]
    each = [r2_score(y[codes == code], z[codes == code]) for code in np.unique(codes)]
    assert_allclose(fitted.score(X, y), np.mean(each), rtol=1e-12)


def test_model_selection_needs_no_labels():
    X, y, _ = incomplete()
    search = GridSearchCV(model(), {"lambda1": [0.01, 0.1, 1.0]}, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.5
    assert cross_val_predict(model(), X, y).shape == y.shape
    assert clone(search.best_estimator_).get_params()["sources"] == SOURCES


def test_nan_targets_and_zero_weights_are_dropped():
    X, y, _ = incomplete()
    dropped = np.arange(len(y)) % 5 == 0
    alone = model(tol=1e-10).fit(X[~dropped], y[~dropped])
    by_target = model(tol=1e-10).fit(X, np.where(dropped, np.nan, y))
    by_weight = model(tol=1e-10).fit(X, y, sample_weight=1.0 - dropped)
    assert_allclose(by_target.coef_, alone.coef_, atol=1e-12)
    assert_allclose(by_weight.coef_, alone.coef_, atol=1e-12)


# --- what is refused ----------------------------------------------------------------------------

X, Y, _ = incomplete()
PARTIAL = X.copy()
PARTIAL[4, 3] = np.nan
EMPTY = X.copy()
EMPTY[7] = np.nan
INFINITE = X.copy()
INFINITE[0, 0] = np.inf
FRAME = pd.DataFrame(X, columns=list("abcdef"))
REST = [2, 3, 4, 5]
REFUSED = {
    "partial block": (
        lambda: model().fit(PARTIAL, Y),
        "NaN in a part of source 'pet': row 4 has 1 of its 3 columns missing",
    ),
    "no source": (lambda: model().fit(EMPTY, Y), "every column of row 7: a row needs at least one"),
    "no sources, NaN": (lambda: model(sources=None).fit(X, Y), "Input X contains NaN"),
    "inf": (lambda: model().fit(INFINITE, Y), "Input X contains infinity"),
    "tasks": (
        lambda: model().fit(X, Y, tasks=np.zeros(len(Y))),
        "`tasks` cannot be combined with the pattern of present sources: leave it out",
    ),
    "tasks at predict": (
        lambda: model().fit(X, Y).predict(X, tasks=np.zeros(len(Y))),
        "`tasks` cannot be combined with the pattern of present sources",
    ),
    "2-D y": (
        lambda: model().fit(X, np.column_stack([Y, Y])),
        "holds one task per column, which cannot be combined with the pattern of present sources",
    ),
    "labels": (lambda: model(sources=SOURCES[:5]).fit(X, Y), "sources has 5 labels, but X has 6"),
    "no labels": (lambda: model(sources=[]).fit(X, Y), "sources has 0 labels, but X has 6"),
    "missing label": (lambda: model(sources=[0, 0, 1, 1, None, 2]).fit(X, Y), "sources contains"),
    "twice": (
        lambda: model(sources=[[0, 1], [1, *REST]]).fit(X, Y),
        "Column 1 of X is named",
    ),
    "left out": (
        lambda: model(sources=[[0], [3, 4, 5]]).fit(X, Y),
        "Column 1 of X is in no source (2 such columns)",
    ),
    "empty": (lambda: model(sources=[[0, 1], [], REST]).fit(X, Y), "Source 1 of sources has no"),
    "range": (
        lambda: model(sources={"a": [0, 6], "b": REST}).fit(X, Y),
        "Source 'a' of sources: column 6 is out of range for X with 6 columns",
    ),
    "kind": (lambda: model(sources=[[0, 1.5], REST]).fit(X, Y), "a position or a name, got 1.5"),
    "name": (
        lambda: model(sources=[["a", "z"], ["c", "d", "e", "f"]]).fit(FRAME, Y),
        "Source 0 of sources names column 'z': X has no such column",
    ),
    "name without names": (
        lambda: model(sources=[["a"], ["b"]]).fit(X, Y),
        "Source 0 of sources names column 'a': X has no column names",
    ),
    "one class": (
        lambda: model(True).fit(X, np.isnan(X[:, 5])),
        "Task ('csf', 'mri', 'pet') has only one class",
    ),
    "task_weight": (
        lambda: model(task_weight={("mri", "pet"): 1.0}).fit(X, Y),
        "task_weight has no weight for task ('csf', 'mri', 'pet')",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError) as raised:
        call()
    assert message in str(raised.value)


def test_there_is_no_task_column():
    assert not {"task_column", "unseen"} & set(IncompleteMultiSourceRegressor().get_params())
    with pytest.raises(TypeError, match="task_column"):
        IncompleteMultiSourceRegressor(task_column=0)
    for cls in (IncompleteMultiSourceRegressor, IncompleteMultiSourceClassifier):
        words = inspect.getdoc(cls)
        assert "\ntask_column" not in words
        assert "\nunseen" not in words
        assert "\nsources : " in words


# --- MALSAR's formulation at its optimum --------------------------------------------------------


@pytest.mark.parametrize("kind", ["small", "wide"])
@pytest.mark.parametrize("function", ["Least_iMSF", "Logistic_iMSF"])
def test_golden(function, kind, shared_dir):
    """MALSAR standardises each source over the rows that have it; lam is lambda."""
    with np.load(shared_dir / "golden" / f"{function}__{kind}.npz") as golden:
        sources, owner = [], []
        for s in range(int(golden["n_sources"])):
            source = golden[f"Xsource_{s + 1}"]
            spread = np.nanstd(source, axis=0, ddof=1)
            sources.append((source - np.nanmean(source, axis=0)) / spread)
            owner += [s] * source.shape[1]
        kept = golden["task_of_sample"] >= 0
        X, y = np.hstack(sources)[kept], golden["y"][kept]
        n_tasks = len(golden["task_pattern"])
        f = malsar_map.scaling(function, n_tasks, len(y))
        suffix, _, fixed = malsar_map.LOSSES[function.split("_")[0]]
        cls = getattr(malsar_py, "IncompleteMultiSource" + suffix)
        assert len(golden["obj_ref"]) >= 3
        for i, best in enumerate(golden["obj_ref"]):
            lam = float(golden["lam"][i])
            fitted = cls(sources=owner, lambda1=f * lam, tol=1e-10, **fixed).fit(X, y)
            assert fitted.relative_gap_ <= 1e-10
            # MALSAR's tasks in our order.
            order = [golden["task_pattern"].tolist().index(p) for p in fitted.patterns_.tolist()]
            assert sorted(order) == list(range(n_tasks))
            assert_array_equal(fitted.coef_ != 0.0, fitted.coef_ * golden["mask"].T[order] != 0.0)
            rows = [golden["task_of_sample"][kept] == t for t in order]
            Xs, ys = [np.nan_to_num(X[own]) for own in rows], [y[own] for own in rows]
            loss = half_squares if function.startswith("Least") else mean_logistic
            W = fitted.coef_.T
            reached = loss(Xs, ys, W, fitted.intercept_)
            reached += lam * np.linalg.norm(W, axis=1).sum()
            assert abs(reached - best) <= 1e-8 * best, (i, reached / best - 1.0)
            assert_allclose(fitted.objective_[-1], f * reached, rtol=1e-11)
            assert fitted.objective_[-1] - fitted.dual_gap_ <= f * best * (1.0 + 1e-10)
