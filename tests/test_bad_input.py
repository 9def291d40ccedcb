"""Everything a user can get wrong, with the exception and the distinctive part of its message.

A good message names the argument, the task or row where there is one, and what to do.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from malsar_py import (
    ClusteredRegressor,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    MultiStageClassifier,
    TraceNormRegressor,
    graphs,
    keep_tasks,
    stack_tasks,
)
from malsar_py.model_selection import TaskKFold

rng = np.random.default_rng(0)
N = 12
X = rng.standard_normal((N, 3))
Y = rng.standard_normal(N)
TASKS = np.repeat(["a", "b", "c"], 4)
CLASSES = np.tile([0, 1], N // 2)
# Door 1 with numbers, and with names.
X_LABELLED = np.column_stack([np.repeat([1.0, 2.0, 3.0], 4), X])
FRAME = pd.DataFrame(X, columns=["u", "v", "w"]).assign(school=TASKS)
Y2 = rng.standard_normal((N, 3))


def with_value(array, index, value):
    array = np.array(array, dtype=float)
    array[index] = value
    return array


def fit(X=X, y=Y, model=JointFeatureRegressor, tasks=TASKS, sample_weight=None, **parameters):
    return model(**parameters).fit(X, y, tasks=tasks, sample_weight=sample_weight)


def classify(y=CLASSES, tasks=TASKS, **parameters):
    return fit(y=y, tasks=tasks, model=JointFeatureClassifier, **parameters)


def graph(value, **parameters):
    return fit(model=GraphRegressor, graph=value, **parameters)


def one_class(model=JointFeatureClassifier):
    return fit(y=np.r_[CLASSES[:8], 1, 1, 1, 1], model=model)


ADJACENCY = np.ones((3, 3))

# name: (call, exception, what the message must contain)
FIT = {
    # X
    "X-nan": (lambda: fit(with_value(X, (2, 1), np.nan)), ValueError, "Input X contains NaN"),
    "X-inf": (lambda: fit(with_value(X, (2, 1), np.inf)), ValueError, "Input X contains infinity"),
    "X-1d": (lambda: fit(X[:, 0]), ValueError, "Expected 2D array, got 1D array"),
    "X-3d": (lambda: fit(X[:, :, None]), ValueError, "Found array with dim 3"),
    "X-empty": (lambda: fit(X[:0], Y[:0], tasks=TASKS[:0]), ValueError, "0 sample(s)"),
    "X-text": (
        lambda: fit([["a", "b"]] * N),
        ValueError,
        "could not convert string to float",
    ),
    "X-complex": (lambda: fit(X + 1j), ValueError, "Complex data not supported"),
    "X-sparse-nan": (
        lambda: fit(sparse.csr_array(with_value(X, (0, 0), np.nan))),
        ValueError,
        "Input X contains NaN",
    ),
    # y
    "y-missing": (lambda: fit(y=None), ValueError, "requires y to be passed"),
    "y-length": (lambda: fit(y=Y[:-1]), ValueError, "inconsistent numbers of samples"),
    "y-inf": (lambda: fit(y=with_value(Y, 3, np.inf)), ValueError, "Input y contains infinity"),
    "y-all-nan": (
        lambda: fit(y=np.full(N, np.nan)),
        ValueError,
        "every target in y is NaN (not observed) or has weight 0",
    ),
    "y-text": (lambda: fit(y=TASKS), ValueError, "could not convert string to float"),
    "y-column-without-target": (
        lambda: fit(y=with_value(Y2, (slice(None), 1), np.nan), tasks=None),
        ValueError,
        "Task 1 (column 1 of y) has no observed target of positive weight: drop the column",
    ),
    "y-named-column-without-target": (
        lambda: fit(y=pd.DataFrame(Y2, columns=list("pqr")).assign(q=np.nan), tasks=None),
        ValueError,
        "Task 'q' (column 1 of y) has no observed target of positive weight: drop the column",
    ),
    "y-repeated-names": (
        lambda: fit(y=pd.DataFrame(Y2, columns=["p", "q", "p"]), tasks=None),
        ValueError,
        "The columns of y name the tasks: names must be distinct",
    ),
    # classes
    "classes-three": (
        lambda: fit(y=np.arange(N) % 3, tasks=TASKS, model=MultiStageClassifier),
        ValueError,
        "Only binary classification is supported",
    ),
    "classes-one": (lambda: classify(np.ones(N)), ValueError, "at least 2 classes"),
    "classes-continuous": (lambda: classify(Y), ValueError, "Unknown label type: continuous"),
    "classes-one-in-a-task": (
        one_class,
        ValueError,
        "Task 'c' has only one class, 1: with fit_intercept=True its intercept has no finite "
        "minimiser. Drop the task, merge it with another, or set fit_intercept=False",
    ),
    "classes-one-in-a-task-mean": (
        lambda: one_class(MeanRegularizedClassifier),
        ValueError,
        "Task 'c' has only one class",
    ),
    # task labels
    "tasks-length": (
        lambda: fit(tasks=TASKS[:-1]),
        ValueError,
        "`tasks` has 11 labels, X has 12 rows",
    ),
    "tasks-2d": (
        lambda: fit(tasks=np.column_stack([TASKS, TASKS])),
        ValueError,
        "`tasks` should be a 1d array with one label per row",
    ),
    "tasks-nan": (
        lambda: fit(tasks=with_value(np.repeat([1, 2, 3], 4), 5, np.nan)),
        ValueError,
        "`tasks` contains NaN or infinity: the task label of row 5 is nan. Every row needs a label",
    ),
    "tasks-none": (
        lambda: fit(tasks=[*TASKS[:-1], None]),
        ValueError,
        "the label of row 11 is missing. Every row needs a label",
    ),
    "tasks-mixed-types": (
        lambda: fit(tasks=["a"] * 6 + [1] * 6),
        TypeError,
        "must be uniformly strings or uniformly numbers, but `tasks` mixes",
    ),
    "tasks-twice": (
        lambda: fit(X_LABELLED, task_column=0),
        ValueError,
        "given twice, by task_column=0 and by `tasks`: pass one of them",
    ),
    "tasks-and-2d-y": (
        lambda: fit(y=Y2),
        ValueError,
        "y of shape (12, 3) holds one task per column, which cannot be combined with `tasks`",
    ),
    "task_column-and-2d-y": (
        lambda: fit(X_LABELLED, Y2, tasks=None, task_column=0),
        ValueError,
        "one task per column, which cannot be combined with task_column=0: pass a 1-D y",
    ),
    "task_column-mixed-types": (
        lambda: fit(FRAME.assign(school=["a"] * 6 + [1] * 6), tasks=None, task_column="school"),
        TypeError,
        "task_column='school' mixes",
    ),
    "task_column-out-of-range": (
        lambda: fit(X_LABELLED, tasks=None, task_column=7),
        ValueError,
        "task_column=7 is out of range for X with 4 columns",
    ),
    "task_column-unknown": (
        lambda: fit(FRAME, tasks=None, task_column="class"),
        ValueError,
        "task_column='class' names 0 columns of X; expected exactly one. Columns of X: u, v, w,",
    ),
    "task_column-name-of-an-array": (
        lambda: fit(X_LABELLED, tasks=None, task_column="school"),
        ValueError,
        "X came as ndarray without column names. If you passed a DataFrame",
    ),
    "task_column-alone": (
        lambda: fit(X_LABELLED[:, :1], tasks=None, task_column=0),
        ValueError,
        "no feature is left to fit",
    ),
    # weights
    "sample_weight-negative": (
        lambda: fit(sample_weight=with_value(np.ones(N), 0, -1)),
        ValueError,
        "Negative values in data passed to `sample_weight`",
    ),
    "sample_weight-nan": (
        lambda: fit(sample_weight=with_value(np.ones(N), 0, np.nan)),
        ValueError,
        "Input sample_weight contains NaN",
    ),
    "sample_weight-length": (
        lambda: fit(sample_weight=np.ones(5)),
        ValueError,
        "sample_weight.shape == (5,), expected (12,)",
    ),
    "sample_weight-shape": (
        lambda: fit(y=Y2, tasks=None, sample_weight=np.ones((N, 2))),
        ValueError,
        "sample_weight.shape == (12, 2), expected (12, 3)",
    ),
    "sample_weight-zero": (
        lambda: fit(sample_weight=np.zeros(N)),
        ValueError,
        "Sample weights must contain at least one non-zero number",
    ),
    "sample_weight-zero-column": (
        lambda: fit(y=Y2, tasks=None, sample_weight=with_value(np.ones((N, 3)), (..., 2), 0)),
        ValueError,
        "Task 2 (column 2 of y) has no observed target of positive weight",
    ),
    "task_weight-word": (
        lambda: fit(task_weight="rows"),
        ValueError,
        "The 'task_weight' parameter of JointFeatureRegressor must be a str among",
    ),
    "task_weight-number": (
        lambda: fit(task_weight=2.0),
        ValueError,
        "The 'task_weight' parameter of JointFeatureRegressor must be",
    ),
    "task_weight-missing-label": (
        lambda: fit(task_weight={"a": 1.0, "b": 1.0}),
        ValueError,
        "task_weight has no weight for task 'c'",
    ),
    "task_weight-zero": (
        lambda: fit(task_weight={"a": 1.0, "b": 0.0, "c": 1.0}),
        ValueError,
        "task_weight must be finite and > 0, got 0.0 for task 'b'",
    ),
    "task_weight-nan": (
        lambda: fit(task_weight={"a": 1.0, "b": np.nan, "c": 1.0}),
        ValueError,
        "task_weight must be finite and > 0, got nan for task 'b'",
    ),
    # graphs
    "graph-word": (
        lambda: graph("star"),
        ValueError,
        "The 'graph' parameter must be a str among",
    ),
    "graph-none": (lambda: graph(None), TypeError, "The 'graph' parameter must be 'complete'"),
    "graph-size": (
        lambda: graph(np.ones((4, 4))),
        ValueError,
        "graph has 4 tasks but the model is fitted on 3 tasks",
    ),
    "graph-not-square": (
        lambda: graph(np.ones((3, 2))),
        ValueError,
        "must be square (one row and one column per task), got shape (3, 2). Wrap a task-by-edge "
        "structure matrix as malsar_py.graphs.incidence(R)",
    ),
    "graph-asymmetric": (
        lambda: graph(np.triu(ADJACENCY)),
        ValueError,
        "graph: an adjacency (which is how a bare array is read) must be symmetric. Wrap",
    ),
    "graph-negative": (
        lambda: graph(-ADJACENCY),
        ValueError,
        "must be nonnegative. Wrap",
    ),
    "graph-nan": (
        lambda: graph(with_value(ADJACENCY, (0, 0), np.nan)),
        ValueError,
        "graph: an adjacency (which is how a bare array is read) contains NaN or infinity",
    ),
    "graph-nested-list": (
        lambda: graph(ADJACENCY.tolist()),
        ValueError,
        "Pass numpy.array(graph) for an adjacency",
    ),
    "graph-bad-edge": (
        lambda: graph([("a", "b", 1.0, 2.0)]),
        ValueError,
        "an edge is a tuple (task, task) or (task, task, weight)",
    ),
    "graph-loop": (lambda: graph([("a", "a")]), ValueError, "joins task 'a' to itself"),
    "graph-negative-edge": (
        lambda: graph([("a", "b", -1.0)]),
        ValueError,
        "the weight of edge ('a', 'b', -1.0) must be finite and nonnegative",
    ),
    "graph-other-labels": (
        lambda: graph([(1, 2)]),
        ValueError,
        "none of its task labels [1, 2] is a fitted task; these are ['a', 'b', 'c']",
    ),
    "graph-frame-labels": (
        lambda: graph(pd.DataFrame(ADJACENCY, index=list("abc"), columns=list("abd"))),
        ValueError,
        "must have the same task labels in its index and its columns",
    ),
    "graph-indefinite-laplacian": (
        lambda: graph(graphs.laplacian(-np.eye(3))),
        ValueError,
        "graphs.laplacian: L must be positive semidefinite",
    ),
    # parameters
    "lambda1-negative": (
        lambda: fit(lambda1=-0.1),
        ValueError,
        "The 'lambda1' parameter of JointFeatureRegressor must be a float in the range [0.0, inf)",
    ),
    "lambda1-text": (
        lambda: fit(model=LassoRegressor, lambda1="0.1"),
        ValueError,
        "The 'lambda1' parameter of LassoRegressor must be a float",
    ),
    "lambda1-nan": (
        lambda: fit(lambda1=np.nan),
        ValueError,
        "The 'lambda1' parameter of JointFeatureRegressor must be a float",
    ),
    "lambda1-inf": (
        lambda: fit(lambda1=np.inf),
        ValueError,
        "The 'lambda1' parameter of JointFeatureRegressor must be a float",
    ),
    "lambda2-negative": (
        lambda: fit(model=TraceNormRegressor, lambda2=-1),
        ValueError,
        "The 'lambda2' parameter of TraceNormRegressor must be",
    ),
    "lambda2-zero-clustered": (
        lambda: fit(model=ClusteredRegressor, lambda2=0),
        ValueError,
        "The 'lambda2' parameter of ClusteredRegressor must be a float in the range (0.0, inf)",
    ),
    "lambda3-negative": (
        lambda: graph("chain", lambda3=-1.0),
        ValueError,
        "The 'lambda3' parameter of GraphRegressor must be",
    ),
    "n_clusters-zero": (
        lambda: fit(model=ClusteredRegressor, n_clusters=0),
        ValueError,
        "The 'n_clusters' parameter of ClusteredRegressor must be an int in the range [1, inf)",
    ),
    "n_clusters-many": (
        lambda: fit(model=ClusteredRegressor, n_clusters=4),
        ValueError,
        "n_clusters=4 must be at most the number of tasks, 3",
    ),
    "solver-unknown": (
        lambda: fit(solver="fista"),
        ValueError,
        "The 'solver' parameter of JointFeatureRegressor must be a str among",
    ),
    "solver-closed-form-norm": (
        lambda: fit(solver="closed-form"),
        ValueError,
        "solver='closed-form' is for the squared loss with quadratic penalties only, which "
        "JointFeatureRegressor with these parameters is not: use 'auto', 'active-set', 'apg'",
    ),
    "solver-closed-form-logistic": (
        lambda: fit(y=CLASSES, model=MeanRegularizedClassifier, solver="closed-form"),
        ValueError,
        "MeanRegularizedClassifier with these parameters is not",
    ),
    "solver-closed-form-lambda3": (
        lambda: graph("chain", lambda3=0.1, solver="closed-form"),
        ValueError,
        "GraphRegressor with these parameters is not",
    ),
    "unseen-unknown": (
        lambda: fit(unseen="ignore"),
        ValueError,
        "The 'unseen' parameter of JointFeatureRegressor must be a str among",
    ),
    "tol-zero": (
        lambda: fit(tol=0),
        ValueError,
        "The 'tol' parameter of JointFeatureRegressor must be a float in the range (0.0, inf)",
    ),
    "max_iter-zero": (
        lambda: fit(max_iter=0),
        ValueError,
        "The 'max_iter' parameter of JointFeatureRegressor must be an int in the range [1, inf)",
    ),
    "fit_intercept-text": (
        lambda: fit(fit_intercept="yes"),
        ValueError,
        "The 'fit_intercept' parameter of JointFeatureRegressor must be",
    ),
    "task_column-float": (
        lambda: fit(X_LABELLED, tasks=None, task_column=0.5),
        ValueError,
        "The 'task_column' parameter of JointFeatureRegressor must be",
    ),
    "positional-parameter": (
        lambda: JointFeatureRegressor(0.1),
        TypeError,
        "takes 1 positional argument",
    ),
}

BY_KEYWORD = fit()
BY_COLUMN = fit(FRAME, tasks=None, task_column="school")
BY_Y = fit(y=Y2, tasks=None)
PLAIN = fit(tasks=None)
CLASSIFIER = classify()

PREDICT = {
    "not-fitted": (
        lambda: JointFeatureRegressor().predict(X),
        NotFittedError,
        "This JointFeatureRegressor instance is not fitted yet",
    ),
    "not-fitted-score": (lambda: LassoRegressor().score(X, Y), NotFittedError, "not fitted yet"),
    "no-label": (
        lambda: BY_KEYWORD.predict(X),
        ValueError,
        "The model was fitted on 3 tasks, so every row needs a task label: pass tasks=, or fit "
        "with task_column",
    ),
    "no-label-proba": (
        lambda: CLASSIFIER.predict_proba(X),
        ValueError,
        "every row needs a task label",
    ),
    "unseen": (
        lambda: BY_KEYWORD.predict(X, tasks=np.where(TASKS == "b", "z", TASKS)),
        ValueError,
        "Unseen task labels in `tasks`: 'z'. The model was fitted on 3 tasks: 'a', 'b', 'c'. In "
        'cross-validation, keep every task in training with TaskKFold; or set unseen="mean"',
    ),
    "unseen-column": (
        lambda: BY_COLUMN.predict(FRAME.assign(school="z")),
        ValueError,
        "Unseen task labels in task_column='school': 'z'",
    ),
    "unseen-type": (
        lambda: fit(tasks=np.repeat([1, 2, 3], 4)).predict(X, tasks=np.repeat(["1", "2", "3"], 4)),
        ValueError,
        "Unseen task labels in `tasks`: '1', '2', '3'",
    ),
    "needless-label": (
        lambda: PLAIN.predict(X, tasks=TASKS),
        ValueError,
        "`tasks` was given, but the model was fitted without task labels: fit with `tasks`",
    ),
    "label-twice": (
        lambda: BY_COLUMN.predict(FRAME, tasks=TASKS),
        ValueError,
        "given twice, by task_column='school' and by `tasks`",
    ),
    "label-count": (
        lambda: BY_KEYWORD.predict(X, tasks=TASKS[:3]),
        ValueError,
        "`tasks` has 3 labels, X has 12 rows",
    ),
    "label-missing": (
        lambda: BY_KEYWORD.predict(X, tasks=[None, *TASKS[1:]]),
        ValueError,
        "the label of row 0 is missing",
    ),
    "n_features": (
        lambda: BY_KEYWORD.predict(X[:, :2], tasks=TASKS),
        ValueError,
        "X has 2 features, but JointFeatureRegressor is expecting 3 features as input",
    ),
    "names": (
        lambda: BY_COLUMN.predict(FRAME.rename(columns={"u": "z"})),
        ValueError,
        "The feature names should match those that were passed during fit",
    ),
    "lost-column": (
        lambda: BY_COLUMN.predict(FRAME.drop(columns="school")),
        ValueError,
        "school",
    ),
    "X-nan": (
        lambda: BY_KEYWORD.predict(with_value(X, (0, 0), np.nan), tasks=TASKS),
        ValueError,
        "Input X contains NaN",
    ),
    "X-sparse": (
        lambda: BY_KEYWORD.predict(sparse.csr_array(X)[:, 1:], tasks=TASKS),
        ValueError,
        "features, but JointFeatureRegressor is expecting",
    ),
    "score-columns": (
        lambda: BY_Y.score(X, Y2[:, :2]),
        ValueError,
        "y has shape (12, 2), but the model was fitted on a y of 3 columns: pass one column per "
        "task, or 1-D y with `tasks`",
    ),
    "score-1d": (
        lambda: BY_Y.score(X, Y),
        ValueError,
        "y has shape (12,), but the model was fitted on a y of 3 columns",
    ),
    "score-length": (
        lambda: BY_KEYWORD.score(X, Y[:-1], tasks=TASKS),
        ValueError,
        "inconsistent numbers of samples",
    ),
    "score-all-nan": (
        lambda: BY_KEYWORD.score(X, np.full(N, np.nan), tasks=TASKS),
        ValueError,
        "Nothing is left to score",
    ),
    "score-names": (
        lambda: fit(y=pd.DataFrame(Y2, columns=list("pqr")), tasks=None).score(
            X, pd.DataFrame(Y2, columns=list("prq"))
        ),
        ValueError,
        "The columns of y should be those seen during fit, in the same order: 'p', 'q', 'r'",
    ),
}

HELPERS = {
    "stack-counts": (
        lambda: stack_tasks([X, X], [Y]),
        ValueError,
        "one X and one y per task, got 2 X and 1 y",
    ),
    "stack-columns": (
        lambda: stack_tasks([X, X[:, :2]], [Y, Y]),
        ValueError,
        "Xs[1] has 2 features, but Xs[0] has 3",
    ),
    "stack-rows": (
        lambda: stack_tasks([X, X], [Y, Y[:5]]),
        ValueError,
        "ys[1] has shape (5,), but Xs[1] has 12 rows",
    ),
    "stack-labels": (
        lambda: stack_tasks([X, X], [Y, Y], labels=["a", "a"]),
        ValueError,
        "labels must be distinct",
    ),
    "keep_tasks-nothing-left": (
        lambda: keep_tasks("passthrough").fit(X[:, :1]),
        ValueError,
        "there is nothing to transform",
    ),
    "keep_tasks-unknown-column": (
        lambda: keep_tasks("passthrough", "class").fit(FRAME),
        ValueError,
        "task_column='class' names 0 columns of X",
    ),
    "folds-one": (lambda: TaskKFold(1), ValueError, "n_splits must be an integer of at least 2"),
    "folds-many": (
        lambda: list(TaskKFold(5).split(X, Y, tasks=TASKS)),
        ValueError,
        "n_splits=5 cannot be greater than the number of rows in every task",
    ),
    "folds-sparse-column": (
        lambda: list(TaskKFold(3).split(X, with_value(Y2, (slice(1, None), 1), np.nan))),
        ValueError,
        "cannot be kept in every training part: 1. Drop them",
    ),
    "folds-groups": (
        lambda: list(TaskKFold(2).split(X, Y, groups=TASKS)),
        ValueError,
        "takes labels as `tasks` or by task_column, not `groups`",
    ),
}


def params(cases):
    return [pytest.param(*case, id=name) for name, case in cases.items()]


def check(call, exception, message):
    with pytest.raises(exception, match=re.escape(message)):
        call()


@pytest.mark.parametrize(("call", "exception", "message"), params(FIT))
def test_fit_refuses(call, exception, message):
    check(call, exception, message)


@pytest.mark.parametrize(("call", "exception", "message"), params(PREDICT))
def test_predict_refuses(call, exception, message):
    check(call, exception, message)


@pytest.mark.parametrize(("call", "exception", "message"), params(HELPERS))
def test_helpers_refuse(call, exception, message):
    check(call, exception, message)


def test_a_refused_fit_leaves_an_unfitted_model():
    model = JointFeatureRegressor()
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(with_value(X, (0, 0), np.nan), Y, tasks=TASKS)
    with pytest.raises(NotFittedError):
        model.predict(X, tasks=TASKS)


def test_as_many_tasks_as_rows_is_a_warning():
    with pytest.warns(UserWarning, match=r"equals the number of rows \(12\).*`task_column`"):
        fit(tasks=np.arange(N), model=MeanRegularizedRegressor)


def test_a_one_class_task_is_legal_without_intercept():
    y = np.r_[CLASSES[:8], 1, 1, 1, 1]
    model = classify(y, fit_intercept=False)
    assert model.n_tasks_ == 3
