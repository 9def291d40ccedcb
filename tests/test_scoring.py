"""The mean-over-tasks score."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, r2_score

from malsar_py._scoring import score_rows, task_mean_score, task_mean_scores
from malsar_py._tasks import resolve_fit, resolve_score
from malsar_py.losses import ACCURACY, R2


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.normal(size=40)
    return y, y + rng.normal(size=40), rng.integers(0, 3, 40), rng.uniform(0.1, 2, 40)


def test_mean_over_tasks(data):
    y, p, group, w = data
    own = [group == g for g in range(3)]
    assert task_mean_score(R2, y, p, group) == np.mean([r2_score(y[i], p[i]) for i in own])
    weighted = np.mean([r2_score(y[i], p[i], sample_weight=w[i]) for i in own])
    assert task_mean_score(R2, y, p, group, w) == weighted
    a, b = y > 0, p > 0
    mean = np.mean([accuracy_score(a[i], b[i], sample_weight=w[i]) for i in own])
    assert task_mean_score(ACCURACY, a, b, group, w) == pytest.approx(mean, rel=1e-14)


def test_many_tasks_are_scored_at_once():
    """No call of sklearn's metric for each task: 10,000 of them took 11 s."""
    calls = []
    counted = replace(R2, whole=lambda *a, **k: calls.append(1) or r2_score(*a, **k))
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(300), 4))
    y, w = rng.normal(size=1200), rng.uniform(0.1, 2, 1200)
    p = y + rng.normal(size=1200)
    own = [group == g for g in range(300)]
    for weight in (None, w):
        kept = [None if weight is None else weight[i] for i in own]
        wanted = [r2_score(y[i], p[i], sample_weight=k) for i, k in zip(own, kept, strict=True)]
        assert task_mean_score(counted, y, p, group, weight) == pytest.approx(
            np.mean(wanted), 1e-12
        )
    assert len(calls) == 2


@pytest.mark.parametrize("scale", [1e-310, 1e307])
def test_equal_weights_change_nothing_whatever_their_size(data, scale):
    y, p, group, _ = data
    for metric, a, b in ((R2, y, p), (ACCURACY, y > 0, p > 0)):
        for codes in (group, group * 0):
            found = task_mean_score(metric, a, b, codes, np.full(40, scale))
            assert found == pytest.approx(task_mean_score(metric, a, b, codes), rel=1e-9)
            many = task_mean_scores(metric, a, b[:, None], codes, np.full(40, scale))
            assert many == pytest.approx([found], rel=1e-9)


def test_a_spread_lost_in_underflow():
    """As sklearn's own: no NaN where a target is not constant, but its square is 0."""
    y = np.array([0.0, 1e-200, 1.0, 2.0])
    group = np.array([0, 0, 1, 1])
    assert task_mean_score(R2, y, y, group) == 1.0
    assert task_mean_score(R2, y, np.array([1.0, 0.0, 1.0, 2.0]), group) == 0.5


def test_one_task_is_sklearn(data):
    y, p, _, w = data
    one = np.zeros(40, int)
    assert task_mean_score(R2, y, p, one) == r2_score(y, p)
    assert task_mean_score(R2, y, p, one, w) == r2_score(y, p, sample_weight=w)
    assert task_mean_score(ACCURACY, y > 0, p > 0, one) == accuracy_score(y > 0, p > 0)
    assert task_mean_score(R2, np.ones(3), np.ones(3), one[:3]) == 1.0
    assert task_mean_score(R2, np.ones(3), np.zeros(3), one[:3]) == 0.0
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(task_mean_score(R2, np.ones(1), np.ones(1), one[:1]))


def test_degenerate_tasks_are_pooled():
    #             two rows of one task, a single row, a constant task
    y = np.array([1.0, 2, 5, 3, 3])
    p = np.array([1.5, 2, 4, 3, 2])
    group = np.array([0, 0, 1, 2, 2])
    expected = (r2_score(y[:2], p[:2]) + r2_score(y[2:], p[2:])) / 2
    assert task_mean_score(R2, y, p, group) == expected


def test_degenerate_pool_counts_only_if_alone():
    y = np.array([1.0, 2, 3, 3, 3])
    p = np.array([1.5, 2, 4, 3, 2])
    group = np.array([0, 0, 1, 2, 2])
    assert task_mean_score(R2, y, p, group) == r2_score(y[:2], p[:2])
    assert task_mean_score(R2, y[2:], p[2:], group[2:]) == r2_score(y[2:], p[2:]) == 0.0
    # Singles alone are one pool.
    assert task_mean_score(R2, y[:3], p[:3], np.arange(3)) == r2_score(y[:3], p[:3])


def test_accuracy_of_one_class_tasks_counts():
    y = np.array(["n", "y", "n", "n", "n"])
    p = np.array(["n", "n", "n", "n", "y"])
    group = np.array([0, 0, 1, 2, 2])
    assert task_mean_score(ACCURACY, y, p, group) == (1 / 2 + 2 / 3) / 2


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
        return score_rows(rows, z, [(ACCURACY if self.classifier else R2, np.ones(len(z), bool))])


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


# Rows of weight 0: a third class, a task's only second value, a task of their own, a new label.
EXTRA_TASKS = [0, 1, 2, 9]


@pytest.mark.parametrize("kind", [Regressor, Classifier])
@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("unseen", ["error", "mean"])
def test_rows_that_do_not_count_have_no_say(kind, column, missing, unseen):
    """The score is that of the other rows, whatever task, target or label these have."""
    rng = np.random.default_rng(2)
    tasks = np.r_[np.repeat([0, 1], 6), 2]  # the one row of task 2 is pooled: none with an own R2
    X = rng.normal(size=(13, 2))
    y = X[:, 0] + rng.normal(size=13)
    y[tasks == 1] = 3.0
    more_tasks, more_y = np.array(EXTRA_TASKS), np.array([50.0, 60.0, -70.0, 80.0])
    if kind is Classifier:
        y, more_y = np.sign(y), np.array([1.0, -1.0, -1.0, 7.0])
    weight = rng.uniform(0.5, 2.0, 13)

    def given(X, tasks):
        return (np.c_[tasks, X], {}) if column else (X, {"tasks": tasks})

    Z, labels = given(X, tasks)
    model = kind(task_column=0 if column else None, unseen=unseen).fit(Z, y, **labels)
    expected = model.score(Z, y, sample_weight=weight, **labels)
    Z, labels = given(np.vstack([X, X[:4]]), np.r_[tasks, more_tasks])
    if missing:
        targets, weights = np.r_[y, np.full(4, np.nan)], np.r_[weight, np.ones(4)]
    else:
        targets, weights = np.r_[y, more_y], np.r_[weight, np.zeros(4)]
    assert model.score(Z, targets, sample_weight=weights, **labels) == pytest.approx(expected)
    if unseen == "error":
        weights[-1], targets[-1] = 1.0, 1.0
        with pytest.raises(ValueError, match=r"Unseen task labels in .*: 9(\.0)?\. The model"):
            model.score(Z, targets, sample_weight=weights, **labels)


def test_weight_zero_is_no_second_row():
    """A task with one row that counts, or none, has no R2 of its own."""
    X = np.array([[1.0], [2.0], [4.0], [3.0], [5.0], [1.0]])
    y = np.array([1.5, 1.0, 5.0, 2.0, 4.0, 9.0])
    tasks = np.array([0, 0, 0, 1, 1, 2])
    model = Regressor().fit(X, y, tasks=tasks)
    weight = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    z = X[:, 0] + model.means_[tasks]
    own = r2_score(y[:3], z[:3])
    assert model.score(X, y, tasks=tasks, sample_weight=weight) == pytest.approx(own, 1e-12)
    with pytest.raises(ValueError, match="Nothing is left to score"):
        model.score(X, np.full(6, np.nan), tasks=tasks)


def test_x_of_rows_that_do_not_count_is_checked_as_in_fit():
    X = np.array([[1.0], [2.0], [np.nan]])
    model = Regressor().fit(X[:2], [1.0, 2.0], tasks=[0, 0])
    for call in (model.fit, model.score):
        with pytest.raises(ValueError, match="contains NaN"):
            call(X, [1.0, 2.0, np.nan], tasks=[0, 0, 1])
