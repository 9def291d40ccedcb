"""The mean-over-tasks score."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, r2_score

from malsar_py._scoring import score_rows, task_mean_score
from malsar_py._tasks import resolve_fit, resolve_score


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.normal(size=40)
    return y, y + rng.normal(size=40), rng.integers(0, 3, 40), rng.uniform(0.1, 2, 40)


def test_mean_over_tasks(data):
    y, p, group, w = data
    own = [group == g for g in range(3)]
    assert task_mean_score("r2", y, p, group) == np.mean([r2_score(y[i], p[i]) for i in own])
    weighted = np.mean([r2_score(y[i], p[i], sample_weight=w[i]) for i in own])
    assert task_mean_score("r2", y, p, group, w) == weighted
    a, b = y > 0, p > 0
    mean = np.mean([accuracy_score(a[i], b[i], sample_weight=w[i]) for i in own])
    assert task_mean_score("accuracy", a, b, group, w) == mean


def test_one_task_is_sklearn(data):
    y, p, _, w = data
    one = np.zeros(40, int)
    assert task_mean_score("r2", y, p, one) == r2_score(y, p)
    assert task_mean_score("r2", y, p, one, w) == r2_score(y, p, sample_weight=w)
    assert task_mean_score("accuracy", y > 0, p > 0, one) == accuracy_score(y > 0, p > 0)
    assert task_mean_score("r2", np.ones(3), np.ones(3), one[:3]) == 1.0
    assert task_mean_score("r2", np.ones(3), np.zeros(3), one[:3]) == 0.0
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(task_mean_score("r2", np.ones(1), np.ones(1), one[:1]))


def test_degenerate_tasks_are_pooled():
    #             two rows of one task, a single row, a constant task
    y = np.array([1.0, 2, 5, 3, 3])
    p = np.array([1.5, 2, 4, 3, 2])
    group = np.array([0, 0, 1, 2, 2])
    expected = (r2_score(y[:2], p[:2]) + r2_score(y[2:], p[2:])) / 2
    assert task_mean_score("r2", y, p, group) == expected


def test_degenerate_pool_counts_only_if_alone():
    y = np.array([1.0, 2, 3, 3, 3])
    p = np.array([1.5, 2, 4, 3, 2])
    group = np.array([0, 0, 1, 2, 2])
    assert task_mean_score("r2", y, p, group) == r2_score(y[:2], p[:2])
    assert task_mean_score("r2", y[2:], p[2:], group[2:]) == r2_score(y[2:], p[2:]) == 0.0
    # Singles alone are one pool.
    assert task_mean_score("r2", y[:3], p[:3], np.arange(3)) == r2_score(y[:3], p[:3])


def test_accuracy_of_one_class_tasks_counts():
    y = np.array(["n", "y", "n", "n", "n"])
    p = np.array(["n", "n", "n", "n", "y"])
    group = np.array([0, 0, 1, 2, 2])
    assert task_mean_score("accuracy", y, p, group) == (1 / 2 + 2 / 3) / 2


class Means(BaseEstimator):
    """Predicts x0 + the task's mean; classes: its sign."""

    classifier = False
    fit_intercept = False  # tasks of one class are legal

    def __init__(self, task_column=None, unseen="error"):
        self.task_column = task_column
        self.unseen = unseen

    def fit(self, X, y, tasks=None):
        rows = resolve_fit(self, X, y, tasks=tasks, classifier=self.classifier)
        blocks = zip(rows.offsets, rows.offsets[1:], strict=False)
        self.means_ = np.array(
            [rows.y[a:b].sum() / rows.sample_weight[a:b].sum() for a, b in blocks]
        )
        self.tasks_, self._door, self.classes_ = rows.tasks, rows.door, rows.classes
        return self

    def score(self, X, y, **kwargs):
        rows = resolve_score(self, X, y, **kwargs)
        x, index = rows.rows.X[:, 0], rows.rows.index
        if index is None:
            z = x[:, None] + self.means_
        else:
            z = x + np.append(self.means_, self.means_.mean())[index]
        if self.classifier:
            z = self.classes_[(z > 0).astype(int)]
        return score_rows(rows, z, classifier=self.classifier)


# The mixins bring a score of their own, and stand to the left.
class Regressor(RegressorMixin, Means):
    score = Means.score


class Classifier(ClassifierMixin, Means):
    classifier = True
    score = Means.score


@pytest.mark.parametrize("kind", [Regressor, Classifier])
@pytest.mark.parametrize("weighted", [False, True])
def test_same_score_for_all_doors(kind, weighted):
    rng = np.random.default_rng(1)
    n, n_tasks = 12, 4
    X = rng.normal(size=(n, 2))
    Y = X[:, :1] + rng.normal(size=(n, n_tasks)) + np.arange(n_tasks) - 1.5
    if kind is Classifier:
        Y = np.sign(Y)
    Y[rng.random(Y.shape) < 0.3] = np.nan
    Y[1:, 3] = np.nan  # one observed row: pooled
    Y[0, 3] = Y[1, 0] = 1.0
    if kind is Classifier:
        Y[1, 3] = -1.0
    W = rng.integers(0, 3, Y.shape).astype(float) if weighted else np.ones(Y.shape)
    row, task = np.nonzero(~np.isnan(Y))
    shuffled = rng.permutation(len(row))
    row, task = row[shuffled], task[shuffled]
    y, w, names = Y[row, task], W[row, task], np.array(list("abcd"))[task]
    columns = kind().fit(X, Y).score(X, Y, sample_weight=W)
    keyword = kind().fit(X[row], y, tasks=names)
    assert keyword.score(X[row], y, tasks=names, sample_weight=w) == pytest.approx(columns, 1e-12)
    stacked = np.c_[task, X[row]]
    column = kind(task_column=0).fit(stacked, y)
    assert column.score(stacked, y, sample_weight=w) == pytest.approx(columns, 1e-12)
    missing = np.r_[y, np.nan]
    more = np.vstack([stacked, stacked[:1]])
    weights = np.r_[w, 1.0]
    assert column.score(more, missing, sample_weight=weights) == pytest.approx(columns, 1e-12)


def test_unseen_labels_are_tasks_of_their_own():
    X = np.arange(8.0)[:, None]
    y = X[:, 0] + np.array([0, 0, 1, 1, 5, 6, 7, 9.0])
    model = Regressor(unseen="mean").fit(X[:4], y[:4], tasks=[0, 0, 1, 1])
    tasks = np.array([0, 0, 1, 1, 8, 8, 9, 9])
    z = X[:, 0] + np.r_[np.repeat(model.means_, 2), np.full(4, model.means_.mean())]
    expected = np.mean([r2_score(y[tasks == t], z[tasks == t]) for t in (0, 1, 8, 9)])
    assert model.score(X, y, tasks=tasks) == pytest.approx(expected, 1e-12)
