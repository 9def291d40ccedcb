"""Displays: drawn and saved, what the labels say, what pyplot knows, what is refused."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    ClusteredRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
    TraceNormRegressor,
    keep_tasks,
)
from malsar_py.datasets import load_exam, make_clustered
from malsar_py.metrics import make_task_scorer
from malsar_py.model_selection import TaskKFold, regularization_path
from malsar_py.plotting import (
    CoefficientMapDisplay,
    ConvergenceDisplay,
    CVCurveDisplay,
    PathDisplay,
    TaskSimilarityDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def no_screen():
    """Figures are drawn for no screen."""
    from matplotlib import pyplot

    pyplot.switch_backend("agg")


@pytest.fixture(scope="module")
def exam():
    return load_exam()


@pytest.fixture(scope="module")
def joint(exam):
    return JointFeatureRegressor(lambda1=0.5).fit(exam.data, exam.target, tasks=exam.tasks)


@pytest.fixture(scope="module")
def clustered():
    X, y, tasks = make_clustered(n_tasks=9, n_clusters=3, random_state=0)
    names = np.array([f"task number {t} of them all" for t in range(9)])[tasks]
    return ClusteredRegressor(lambda1=1.0, lambda2=0.1, n_clusters=3, random_state=0).fit(
        X, y, tasks=names
    )


@pytest.fixture(scope="module")
def search(exam):
    X = np.column_stack([exam.tasks, exam.data])
    model = make_pipeline(
        keep_tasks(StandardScaler(), task_column=0), JointFeatureRegressor(task_column=0, tol=1e-4)
    )
    return GridSearchCV(
        model,
        {"jointfeatureregressor__lambda1": [0.03, 0.1, 0.3, 1.0, 3.0]},
        cv=TaskKFold(3, task_column=0, shuffle=True, random_state=0),
        scoring=make_task_scorer("mean_task_rmse", task_column=0),
    ).fit(X, exam.target)


def drawn(display):
    """The display, after its figure was saved and it showed itself as a notebook would."""
    buffer = BytesIO()
    display.figure_.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(PNG)
    assert len(buffer.getvalue()) > 5_000
    assert display._repr_png_().startswith(PNG)
    assert display.ax_.figure is display.figure_
    return display


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# --- coefficients --------------------------------------------------------------------------------


def test_coefficient_map(joint, exam):
    display = drawn(CoefficientMapDisplay.from_estimator(joint))
    ax = display.ax_
    assert ax.get_xlabel() == "task" and ax.get_ylabel() == "feature"
    assert display.colorbar_.ax.get_ylabel() == "coefficient (y per unit)"
    assert ticks(ax.yaxis) == [str(name) for name in joint.coef_feature_names_]
    # 65 schools in a row: every second one is named.
    assert ticks(ax.xaxis) == [str(name) for name in joint.tasks_[::2]]
    shown = display.image_.get_array()
    np.testing.assert_array_equal(shown.mask, joint.coef_.T == 0.0)
    np.testing.assert_array_equal(shown.data, joint.coef_.T)
    assert 0 < shown.mask.sum() < shown.size
    assert legend(display.colorbar_.ax) == ["exactly 0"]
    # White is 0, and the grey of exact zeros is no colour of the map.
    low, high = display.image_.get_clim()
    assert low == -high == -np.abs(joint.coef_).max()
    colours = display.image_.cmap(np.linspace(0.0, 1.0, 256))
    grey = display.image_.cmap(np.ma.masked_all(1))[0]
    assert np.abs(colours - grey).sum(axis=1).min() > 0.25


def test_the_key_leaves_room_for_a_title():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    model = LassoRegressor()
    model.coef_, model.tasks_ = np.eye(3), np.arange(3)
    model.coef_feature_names_ = np.array(["a", "b", "c"])
    for ax in figure.subplots(1, 3):
        display = CoefficientMapDisplay.from_estimator(model, ax=ax)
        ax.set_title("JointFeatureRegressor")
    figure.draw_without_rendering()
    key = display.colorbar_.ax.get_legend().get_window_extent()
    beside = [
        ax.title,
        ax.xaxis.label,
        *ax.get_xticklabels(),
        *display.colorbar_.ax.get_yticklabels(),
    ]
    assert not any(key.overlaps(text.get_window_extent()) for text in beside)
    assert key.x1 <= figure.bbox.x1 and key.y0 >= 0.0


def test_coefficient_map_by_cluster(clustered):
    display = drawn(CoefficientMapDisplay.from_estimator(clustered))
    assert display.ax_.get_xlabel() == "task (by cluster)"
    labels = clustered.task_labels_[display.task_order_]
    assert (np.diff(labels) >= 0).all()
    edges = [line.get_xdata()[0] for line in display.ax_.get_lines()]
    assert edges == (np.flatnonzero(np.diff(labels)) + 0.5).tolist()
    # Long names are cut, stay distinct, and are turned below the axes.
    names = ticks(display.ax_.xaxis)
    assert all(len(text) == 24 and "…" in text for text in names)
    assert len(set(names)) == len(names)
    assert display.ax_.get_xticklabels()[0].get_rotation() == 90.0
    assert display.ax_.get_legend() is None  # no zeros
    given = CoefficientMapDisplay.from_estimator(clustered, order="given")
    assert given.task_order_.tolist() == list(range(9))
    assert given.ax_.get_xlabel() == "task" and not given.ax_.get_lines()


def test_coefficient_map_by_similarity():
    first, second = np.random.default_rng(0).normal(size=(2, 6))
    coef = np.array([first, second, first + 0.01, second - 0.01, 2.0 * first])
    display = CoefficientMapDisplay(coef, tasks=list("abcde")).plot(order="similarity")
    order = display.task_order_.tolist()
    assert {0, 2, 4} in (set(order[:3]), set(order[2:]))
    assert display.ax_.get_xlabel() == "task (by similarity)"
    display = CoefficientMapDisplay(coef, tasks=list("abcde")).plot(order=[4, 3, 2, 1, 0])
    assert ticks(display.ax_.xaxis) == list("edcba")


def test_coefficient_map_of_many_features():
    rng = np.random.default_rng(0)
    coef = rng.normal(size=(3, 500))
    display = drawn(CoefficientMapDisplay(coef).plot(max_features=20))
    assert display.ax_.get_ylabel() == "feature (20 largest of 500)"
    norms = np.linalg.norm(coef, axis=0)
    assert norms[display.features_].min() >= np.sort(norms)[-20]
    coef[:, 7:] = 0.0
    display = CoefficientMapDisplay(coef).plot()
    assert display.ax_.get_ylabel() == "feature (7 of 500, the others are 0)"
    assert display.features_.tolist() == list(range(7))
    assert len(CoefficientMapDisplay(coef).plot(max_features=None).features_) == 500
    with pytest.raises(ValueError, match="max_features must be at least 1"):
        CoefficientMapDisplay(coef).plot(max_features=0)


def test_coefficient_map_of_classifiers_searches_and_zeros(search, exam):
    found = CoefficientMapDisplay.from_estimator(search)
    model = search.best_estimator_[-1]
    np.testing.assert_array_equal(found.image_.get_array().data, model.coef_.T)
    y = exam.target > np.median(exam.target)
    some = np.isin(exam.tasks, [1, 2, 3])
    model = JointFeatureClassifier(lambda1=10.0).fit(
        exam.data[some], y[some], tasks=exam.tasks[some]
    )
    display = drawn(CoefficientMapDisplay.from_estimator(model, vmax=0.5))
    assert display.colorbar_.ax.get_ylabel().endswith("(log odds per unit)")
    assert display.image_.get_clim() == (-0.5, 0.5)
    assert display.image_.get_array().mask.all()


def test_one_task_without_labels(exam):
    model = LassoRegressor(lambda1=0.1).fit(exam.data, exam.target)
    assert CoefficientMapDisplay.from_estimator(model).image_.get_array().shape == (15, 1)


# --- similarity ----------------------------------------------------------------------------------


def test_correlation_of_tasks(joint):
    display = drawn(TaskSimilarityDisplay.from_estimator(joint))
    order = display.task_order_
    assert sorted(order) == list(range(65))
    expected = np.corrcoef(joint.coef_[order])
    np.testing.assert_allclose(display.image_.get_array(), expected, atol=1e-12)
    np.testing.assert_allclose(display.image_.get_clim(), (-1.0, 1.0))
    assert display.ax_.get_xlabel() == display.ax_.get_ylabel() == "task (by similarity)"
    assert display.colorbar_.ax.get_ylabel() == "correlation of coefficients"
    # Neighbours are more alike than tasks in their given order.
    given = np.corrcoef(joint.coef_)
    assert np.diag(expected, 1).mean() > np.diag(given, 1).mean()


def test_tasks_that_are_all_alike():
    S = np.array([[1.0, 0.98, 0.97], [0.98, 1.0, 0.99], [0.97, 0.99, 1.0]])
    display = drawn(TaskSimilarityDisplay(S, tasks=list("abc")).plot())
    # The colours tell apart what there is; those around 0 would all be the same red.
    assert display.image_.get_clim() == (0.95, 1.0)
    assert display.colorbar_.ax.get_ylabel() == "similarity"


def test_membership(clustered):
    display = drawn(TaskSimilarityDisplay.from_estimator(clustered, kind="membership"))
    order = display.task_order_
    M = clustered.task_membership_[np.ix_(order, order)]
    np.testing.assert_array_equal(display.image_.get_array(), M)
    assert display.ax_.get_xlabel() == "task (by cluster)"
    assert display.colorbar_.ax.get_ylabel() == "membership matrix M"
    low, high = display.image_.get_clim()
    assert low == -high == -np.abs(M).max()
    assert len(display.ax_.get_lines()) == 4  # two edges, across and up


def test_tasks_without_correlation():
    coef = np.array([[1.0, 2.0, 3.0], [0.1, 0.1, 0.1], [3.0, 2.0, 1.0], [0.0, 0.0, 0.0]])
    model = LassoRegressor()
    model.coef_, model.tasks_ = coef, np.arange(4)
    display = drawn(TaskSimilarityDisplay.from_estimator(model, order="given"))
    shown = display.image_.get_array()
    assert shown[0, 2] == pytest.approx(-1.0)
    assert shown.mask[[1, 3]].all() and shown.mask.sum() == 12
    assert legend(display.colorbar_.ax) == ["equal coefficients"]


# --- paths ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def path(exam):
    return regularization_path(
        JointFeatureRegressor(), exam.data, exam.target, tasks=exam.tasks, n_lambdas=15
    )


def test_path_of_rows(path, exam):
    display = drawn(PathDisplay.from_path(path, n_named=3))
    ax = display.ax_
    assert ax.get_xlabel() == "lambda1 (log scale)" and ax.get_xscale() == "log"
    assert ax.get_ylabel() == "norm of the coefficients over the tasks"
    norms = np.linalg.norm(path.coef, axis=1)
    assert len(display.lines_) == 15
    for j, line in enumerate(display.lines_):
        np.testing.assert_array_equal(line.get_xdata(), path.lambda1)
        np.testing.assert_array_equal(line.get_ydata(), norms[:, j])
    largest = np.argsort(-norms.max(axis=0))[:3]
    assert legend(ax) == [path.feature_names[j] for j in largest]
    colours = {display.lines_[j].get_color() for j in largest}
    assert len(colours) == 3
    assert {line.get_color() for line in display.lines_} - colours == {"#BBBBBB"}
    (above,) = ax.child_axes
    assert above.get_xlabel() == "features used"
    assert ticks(above.xaxis)[0] == "0" and ticks(above.xaxis)[-1] == str(path.df[-1])


def test_path_of_singular_values(exam):
    display = drawn(
        PathDisplay.from_estimator(
            TraceNormRegressor(),
            exam.data,
            exam.target,
            tasks=exam.tasks,
            n_lambdas=10,
            linewidth=3.0,
        )
    )
    assert display.ax_.get_ylabel() == "singular values of the coefficients"
    assert display.ax_.child_axes[0].get_xlabel() == "rank"
    assert display.ax_.get_legend() is None
    shown = np.array([line.get_ydata() for line in display.lines_]).T
    np.testing.assert_allclose(shown, np.linalg.svd(display.coef, compute_uv=False))
    assert {line.get_linewidth() for line in display.lines_} == {3.0}


def test_path_by_hand(path):
    display = PathDisplay(np.array([1.0, 0.1, 0.0]), path.coef[-3:]).plot(kind="singular-values")
    assert len(display.lines_[0].get_xdata()) == 2  # lambda1 = 0 has no logarithm
    assert not display.ax_.child_axes
    with pytest.raises(ValueError, match="A path needs a positive lambda1"):
        PathDisplay(np.zeros(1), path.coef[:1]).plot()
    with pytest.raises(ValueError, match='kind must be "auto", "rows"'):
        PathDisplay.from_path(path, kind="columns")


# --- searches ------------------------------------------------------------------------------------


def test_curve_of_a_search(search):
    display = drawn(CVCurveDisplay.from_estimator(search))
    ax, results = display.ax_, search.cv_results_
    assert ax.get_xlabel() == "jointfeatureregressor__lambda1" and ax.get_xscale() == "log"
    assert ax.get_ylabel() == "mean task rmse"  # an error, shown as one
    assert display.best_index_ == search.best_index_
    grid = [0.03, 0.1, 0.3, 1.0, 3.0]
    mean = ax.get_lines()[0]
    np.testing.assert_array_equal(mean.get_xdata(), grid)
    np.testing.assert_array_equal(mean.get_ydata(), -results["mean_test_score"])
    # The band is one standard error, of the folds' sample standard deviation.
    folds = np.array([results[f"split{k}_test_score"] for k in range(3)])
    error = folds.std(axis=0, ddof=1) / np.sqrt(3)
    band = ax.collections[0].get_paths()[0].vertices
    top = [band[band[:, 0] == x, 1].max() for x in grid]
    np.testing.assert_allclose(top, -folds.mean(axis=0) + error)
    best = display.best_index_
    within = folds.mean(axis=0) >= folds.mean(axis=0)[best] - error[best]
    assert display.one_se_index_ == np.flatnonzero(within)[-1]
    assert legend(ax)[:2] == ["mean over 3 folds", "± standard error"]
    assert any(text.startswith("best") for text in legend(ax)[2:])
    scores = CVCurveDisplay.from_estimator(search, negate_score=False)
    assert scores.ax_.get_ylabel() == "minus mean task rmse"
    np.testing.assert_array_equal(scores.ax_.get_lines()[0].get_ydata(), results["mean_test_score"])


def test_a_search_that_chose_by_one_standard_error(search):
    chosen = clone(search).set_params(scoring="neg_mean_task_rmse")
    chosen.cv_results_, chosen.best_index_, chosen.selection = search.cv_results_, 4, "one_se"
    display = CVCurveDisplay.from_estimator(chosen)
    assert display.one_se_index_ == 4
    assert display.best_index_ == search.best_index_
    assert display.ax_.get_ylabel() == "mean task rmse"


# --- convergence ---------------------------------------------------------------------------------


def test_convergence(exam):
    model = TraceNormRegressor(lambda1=0.5).fit(exam.data, exam.target, tasks=exam.tasks)
    display = drawn(ConvergenceDisplay.from_estimator(model))
    ax = display.ax_
    assert ax.get_xlabel() == "iteration" and ax.get_yscale() == "log"
    np.testing.assert_array_equal(display.line_.get_xdata(), model.objective_iterations_)
    assert display.line_.get_xdata()[-1] == model.n_iter_ > len(model.objective_)
    assert ax.get_ylabel() == "objective above its lower bound"
    assert ax.get_title() == f"TraceNormRegressor, {model.n_iter_} steps"
    height = display.line_.get_ydata()
    bound = model.objective_[-1] - model.dual_gap_
    np.testing.assert_allclose(height, model.objective_ - bound, rtol=1e-6)
    assert legend(ax)[0] == f"duality gap of the fit: {model.dual_gap_:.1e}"
    allowed = ax.get_lines()[-1].get_ydata()[0]
    assert allowed == pytest.approx(model.tol * model.dual_gap_ / model.relative_gap_)
    assert model.dual_gap_ <= allowed


def test_convergence_of_a_direct_solution_and_without_a_gap():
    display = drawn(ConvergenceDisplay(np.array([2.0]), gap=-1e-17).plot())
    assert display.line_.get_ydata() == [2.0 * np.finfo(float).eps]
    display = drawn(ConvergenceDisplay(np.array([3.0, 2.0, 1.5])).plot())
    assert display.ax_.get_ylabel() == "objective above its last value"
    assert display.line_.get_ydata().tolist() == [1.5, 0.5]
    assert display.ax_.get_legend() is None


# --- all of them ---------------------------------------------------------------------------------


def test_axes_that_are_given(joint, path, search):
    from matplotlib.figure import Figure

    for draw, source in [
        (CoefficientMapDisplay.from_estimator, joint),
        (TaskSimilarityDisplay.from_estimator, joint),
        (PathDisplay.from_path, path),
        (CVCurveDisplay.from_estimator, search),
        (ConvergenceDisplay.from_estimator, joint),
    ]:
        figure = Figure(layout="constrained")
        ax = figure.subplots(1, 2)[1]
        display = draw(source, ax=ax)
        assert display.ax_ is ax and display.figure_ is figure
        assert display._repr_png_() is None  # its owner shows the figure
        figure.savefig(BytesIO())


def test_pyplot_knows_the_figure(joint, path, search):
    """As scikit-learn's displays: plt.title, plt.show and plt.savefig are about the display."""
    from matplotlib import pyplot

    for draw, source in [
        (CoefficientMapDisplay.from_estimator, joint),
        (TaskSimilarityDisplay.from_estimator, joint),
        (PathDisplay.from_path, path),
        (CVCurveDisplay.from_estimator, search),
        (ConvergenceDisplay.from_estimator, joint),
    ]:
        display = draw(source)
        assert pyplot.gcf() is display.figure_
        pyplot.sca(display.ax_)
        pyplot.title("mine")
        assert display.ax_.get_title() == "mine"


def test_a_notebook_shows_the_display_once(joint, monkeypatch):
    from matplotlib import pyplot

    display = ConvergenceDisplay.from_estimator(joint)
    monkeypatch.setattr(
        "matplotlib.get_backend", lambda: "module://matplotlib_inline.backend_inline"
    )
    assert display._repr_png_().startswith(PNG)
    assert pyplot.get_fignums() == []


def test_nothing_is_imported_before_it_is_drawn():
    code = """
import sys
import malsar_py.plotting
print("matplotlib" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "False", run.stderr


def test_without_matplotlib(joint, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"ConvergenceDisplay.plot requires.*malsar_py\[plot\]"):
        ConvergenceDisplay.from_estimator(joint)


@pytest.mark.parametrize(
    "draw",
    [
        CoefficientMapDisplay.from_estimator,
        TaskSimilarityDisplay.from_estimator,
        ConvergenceDisplay.from_estimator,
    ],
)
def test_what_has_no_coefficients_of_tasks(draw):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        draw(LassoRegressor())
    with pytest.raises(NotFittedError, match="not fitted yet"):
        draw(make_pipeline(StandardScaler(), LassoRegressor()))
    with pytest.raises(TypeError, match=r"expected a fitted model of this package.*got Ridge"):
        draw(Ridge().fit(np.eye(3), np.arange(3)))


def test_searches_that_are_not_fitted():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        CVCurveDisplay.from_estimator(GridSearchCV(LassoRegressor(), {"lambda1": [1.0]}))


def test_options_that_are_refused(joint, clustered):
    with pytest.raises(ValueError, match='order must be "auto", "given"'):
        CoefficientMapDisplay.from_estimator(joint, order="alphabet")
    with pytest.raises(ValueError, match="order must hold each position from 0 to 64 once"):
        CoefficientMapDisplay.from_estimator(joint, order=[0, 0])
    with pytest.raises(ValueError, match='order="cluster" needs cluster labels'):
        TaskSimilarityDisplay.from_estimator(joint, order="cluster")
    with pytest.raises(ValueError, match='kind must be "correlation" or "membership"'):
        TaskSimilarityDisplay.from_estimator(joint, kind="distance")
    with pytest.raises(ValueError, match='"membership" needs a clustered model, which JointFea'):
        TaskSimilarityDisplay.from_estimator(joint, kind="membership")
