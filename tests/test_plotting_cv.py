"""Displays of searches by hand: one-standard-error choice, maps, words, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from malsar_py.plotting import CVCurveDisplay
from tests.test_plotting import drawn, legend, no_screen, ticks  # noqa: F401


def results_of(grid, scores):
    """cv_results_ by hand: a list of parameters, and scores (n_candidates, n_folds)."""
    scores = np.asarray(scores, dtype=float)
    names = sorted({name for point in grid for name in point})
    results = {}
    for name in names:
        column = np.ma.masked_all(len(grid), dtype=object)
        for i, point in enumerate(grid):
            if name in point:
                column[i] = point[name]
        results[f"param_{name}"] = column
    results |= {f"split{k}_test_score": column for k, column in enumerate(scores.T)}
    return results | {
        "mean_test_score": scores.mean(axis=1),
        "std_test_score": scores.std(axis=1),
    }


def test_the_one_standard_error_choice_by_hand():
    # Means 1, 2, 3, 2.9, 2.5; the standard error of the best is sqrt(0.02 / 2) = 0.1.
    folds = [[1, 1], [2, 2], [2.9, 3.1], [2.91, 2.91], [2.5, 2.5]]
    results = results_of([{"lambda1": v} for v in (0.1, 0.2, 0.4, 0.8, 1.6)], folds)
    display = CVCurveDisplay(results).plot()
    assert (display.best_index_, display.one_se_index_) == (2, 3)
    assert legend(display.ax_)[2:] == ["best: 0.4", "one standard error: 0.8"]
    results["std_test_score"][2] = 0.05
    display = CVCurveDisplay(results).plot()
    assert legend(display.ax_)[2:] == ["best and one standard error: 0.4"]


def test_map_of_two_parameters():
    grid = [{"lambda1": a, "lambda2": b} for a in (0.1, 1.0, 10.0) for b in (0.01, 0.1)]
    means = np.array([0.1, 0.3, 0.9, 0.5, 0.85, 0.2])
    results = results_of(grid, means[:, None] + [-0.1, 0.1])
    display = drawn(CVCurveDisplay(results, score_name="R2").plot())
    ax = display.ax_
    assert ax.get_xlabel() == "lambda1" and ax.get_ylabel() == "lambda2"
    assert ticks(ax.xaxis) == ["0.1", "1", "10"] and ticks(ax.yaxis) == ["0.01", "0.1"]
    np.testing.assert_allclose(display.image_.get_array(), means.reshape(3, 2).T)
    assert display.colorbar_.ax.get_ylabel() == "R2"
    assert legend(ax) == ["best", "one standard error"]
    spots = [tuple(np.ravel(line.get_data())) for line in ax.get_lines()]
    assert spots == [(1, 0), (2, 0)]
    turned = CVCurveDisplay(results).plot(x="lambda2", y="lambda1")
    np.testing.assert_allclose(turned.image_.get_array(), means.reshape(3, 2))


def test_hopeless_candidates_share_a_colour():
    grid = [{"lambda1": a, "lambda2": b} for a in (0.1, 1.0, 10.0) for b in (0.01, 0.1)]
    results = results_of(grid, [[-1.0], [-1.1], [-1.2], [-1.3], [-50.0], [-60.0]])
    display = drawn(CVCurveDisplay(results, negate_score=True).plot())
    assert display.image_.get_clim() == (1.0, 1.75)
    assert display.colorbar_.extend == "max"


def test_three_parameters_words_and_gaps():
    grid = [
        {"lambda1": a, "lambda2": b, "n_clusters": k}
        for a in (0.1, 1.0)
        for b in (0.1, 1.0)
        for k in (2, 3)
    ]
    scores = np.arange(8.0)[:, None] + [0.0, 1.0]
    display = CVCurveDisplay(results_of(grid, scores)).plot(y="n_clusters")
    assert display.ax_.get_ylabel() == "n_clusters"
    assert display.ax_.get_title(loc="right") == "best over lambda2"
    np.testing.assert_array_equal(display.image_.get_array(), [[2.5, 6.5], [3.5, 7.5]])
    words = [{"graph": "chain"}, {"graph": "complete"}, {"graph": np.eye(2)}]
    display = drawn(CVCurveDisplay(results_of(words, [[1, 2], [2, 3], [0, 1]])).plot())
    assert ticks(display.ax_.xaxis) == ["chain", "complete", "array([[1., … [0., 1.]])"]
    assert display.one_se_index_ is None
    # A candidate without the parameter has no place; one without a score is not drawn.
    parts = [{"lambda1": 0.1}, {"lambda1": 1.0}, {"other": 1}, {"lambda1": 3.0}]
    results = results_of(parts, [[1, 2], [2, 3], [2, 2], [np.nan, np.nan]])
    display = CVCurveDisplay(results).plot()
    np.testing.assert_array_equal(display.ax_.get_lines()[0].get_xdata(), [0.1, 1.0])


def test_what_a_curve_refuses():
    with pytest.raises(ValueError, match="'gamma' was not searched; parameters are"):
        CVCurveDisplay(results_of([{"lambda1": 1.0}], [[0.0, 1.0]])).plot(x="gamma")
    with pytest.raises(ValueError, match="searches with several metrics"):
        CVCurveDisplay({"param_lambda1": np.ma.array([1.0])}).plot()
    nothing = results_of([{"lambda1": 1.0}], [[np.nan, np.nan]])
    with pytest.raises(ValueError, match="No candidate has a finite mean score"):
        CVCurveDisplay(nothing).plot()
