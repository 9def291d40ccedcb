"""Names in pictures: long ones are cut where they are alike; units; colours; what a path names."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from malsar_py import (
    JointFeatureClassifier,
    JointFeatureRegressor,
    MeanRegularizedRegressor,
    keep_tasks,
)
from malsar_py.model_selection import MultiTaskSearchCV
from malsar_py.plotting import CoefficientMapDisplay, PathDisplay, TaskSimilarityDisplay
from malsar_py.plotting._draw import short_names
from tests.test_plotting import legend, no_screen, ticks  # noqa: F401

pytest.importorskip("matplotlib")

FAMILIES = {
    "end": [f"Hospital of the Northern Region number {i:03d}" for i in range(300)],
    "middle": [f"measurement_of_protein_{i:03d}_concentration_in_blood_serum" for i in range(200)],
    "start": [f"{i:04d} is the number of a rather long name of a task" for i in range(50)],
    "far in the middle": [f"{'a' * 40}{i:03d}{'b' * 40}" for i in range(20)],
    "two families": [f"{a * 30}{i}{a * 30}" for a in "xy" for i in range(20)],
    "long differences": [f"{'p' * 9}{str(i) * 60}{'s' * 9}" for i in range(10)],
    "hopeless": ["ab" * k + "c" + "ab" * (60 - k) for k in range(60)],
}


@pytest.mark.parametrize("names", FAMILIES.values(), ids=FAMILIES)
def test_different_names_stay_different(names):
    short = short_names(names)
    assert len(set(short)) == len(names)
    assert max(map(len, short)) <= 24


def test_what_is_left_of_a_name():
    assert short_names(FAMILIES["end"])[7] == "Hospital of … number 007"
    assert short_names(["short", "short", 3, "two\nlines"]) == ["short", "short", "3", "two lines"]
    assert short_names(["a" * 30, "a" * 30]) == ["a" * 12 + "…" + "a" * 11] * 2
    assert "007" in short_names(FAMILIES["end"])[7] and "007" in short_names(FAMILIES["middle"])[7]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5)) * [1, 10, 100, 1, 1]
    tasks = np.repeat([0, 1, 2], 20)
    return np.column_stack([tasks, X]), X @ [1, 0.1, 0.02, 0, 0] + 0.1 * rng.standard_normal(60)


def test_labels_at_the_axes_differ(rows):
    X, y = rows
    names = np.array(FAMILIES["end"][:3])[X[:, 0].astype(int)]
    model = JointFeatureRegressor().fit(X[:, 1:], y, tasks=names)
    model.coef_feature_names_ = np.array(FAMILIES["middle"][:5], dtype=object)
    display = CoefficientMapDisplay.from_estimator(model)
    assert len(set(ticks(display.ax_.xaxis))) == 3
    assert len(set(ticks(display.ax_.yaxis))) == 5
    path = PathDisplay.from_estimator(model, X[:, 1:], y, tasks=names, n_lambdas=5)
    assert len({line.get_label() for line in path.lines_}) == 5


@pytest.mark.parametrize(
    ("scaler", "unit"),
    [
        (StandardScaler(), "y per standard deviation"),
        (StandardScaler(with_std=False), "y per unit"),
        (MinMaxScaler(), "y per unit of the transformed feature"),
        ("passthrough", "y per unit"),
    ],
)
def test_the_unit_of_features(rows, scaler, unit):
    pipe = make_pipeline(keep_tasks(scaler), JointFeatureRegressor(task_column=0)).fit(*rows)
    display = CoefficientMapDisplay.from_estimator(pipe)
    assert display.colorbar_.ax.get_ylabel() == f"coefficient ({unit})"


def test_the_unit_of_a_classifier_in_a_search(rows):
    X, y = rows
    pipe = make_pipeline(StandardScaler(), JointFeatureClassifier())
    search = MultiTaskSearchCV(pipe, n_lambdas=3, cv=2).fit(X, y > 0)
    display = CoefficientMapDisplay.from_estimator(search)
    label = display.colorbar_.ax.get_ylabel()
    assert label == "coefficient (log odds per standard deviation)"


def test_noise_among_equal_tasks_is_not_blown_up(rows):
    X, y = rows
    model = MeanRegularizedRegressor(lambda1=1e4).fit(X[:, 1:], y, tasks=X[:, 0])
    display = TaskSimilarityDisplay.from_estimator(model)
    low, high = display.image_.get_clim()
    assert display.similarity.min() > 0.999
    assert low == pytest.approx(0.95 * high)
    noise = TaskSimilarityDisplay(np.array([[1e-17, -1e-17], [-1e-17, 1e-17]])).plot()
    assert noise.image_.get_clim() == (-1.0, 1.0)


def test_a_path_names_what_is_large_over_it():
    """Feature 3 is the largest at the weak end alone, where noise is."""
    coef = np.zeros((4, 1, 4))
    coef[:, 0, 0], coef[:, 0, 1], coef[:, 0, 3] = [1, 2, 2, 2], [0, 1, 1.5, 1.5], [0, 0, 0, 3]
    display = PathDisplay(np.array([1, 0.1, 0.01, 0.001]), coef).plot(n_named=2)
    assert legend(display.ax_) == ["0", "1"]


def test_a_path_marks_the_chosen_strength(rows):
    X, y = rows
    search = MultiTaskSearchCV(JointFeatureRegressor(), n_lambdas=5, cv=2)
    search.fit(X[:, 1:], y, tasks=X[:, 0])
    display = PathDisplay.from_estimator(search, X[:, 1:], y, tasks=X[:, 0], n_lambdas=10)
    chosen = search.best_params_["lambda1"]
    assert display.chosen == chosen
    assert legend(display.ax_)[-1] == f"chosen: {chosen:.3g}"
    plain = PathDisplay.from_estimator(JointFeatureRegressor(), X[:, 1:], y, tasks=X[:, 0])
    assert plain.chosen is None
