"""New schools with a few labelled pupils: what adapting is worth, on data that are not shipped.

A table in several splits of each data set: a fifth of the tasks is new, models are fitted to the
others, and tested on the new tasks' rows after the twentieth.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io

from malsar_py import (
    JointFeatureRegressor,
    MeanRegularizedRegressor,
    MixedEffectsRegressor,
    TraceNormRegressor,
)
from malsar_py.datasets import fetch_parkinsons, load_exam
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold

pytestmark = pytest.mark.slow
KNOWN = 20


def exam(shared_dir):
    """Exam, with features that vary within schools."""
    data = load_exam()
    return np.asarray(data.data, float), np.asarray(data.target), np.asarray(data.tasks)


def school(shared_dir):
    path = shared_dir / "data" / "school.mat"
    if not path.exists():
        pytest.skip("no ../shared/data/school.mat")
    raw = scipy.io.loadmat(path)
    blocks, targets = raw["X"].ravel(), raw["Y"].ravel()
    tasks = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    X = np.concatenate([np.asarray(block, float) for block in blocks])
    return X, np.concatenate([np.ravel(y) for y in targets]).astype(float), tasks


def parkinsons(shared_dir):
    """Patients; their age and sex do not vary."""
    try:
        data = fetch_parkinsons(data_home=shared_dir / "data")
    except OSError as error:
        pytest.skip(str(error))
    return np.asarray(data.data, float), np.asarray(data.target, float), np.asarray(data.tasks)


def split(X, y, tasks, seed):
    """Rows of the known tasks; of the new ones the first 20, and those after."""
    rng = np.random.default_rng(seed)
    labels = np.unique(tasks)
    new = np.isin(tasks, rng.permutation(labels)[: len(labels) // 5])
    order = rng.permutation(len(y))
    X, y, tasks, new = X[order], y[order], tasks[order], new[order]
    rank = np.empty(len(y), int)
    for t in labels:
        own = np.flatnonzero(tasks == t)
        rank[own] = np.arange(len(own))
    spread = X[~new].std(axis=0)
    X = X[:, spread > 0] / spread[spread > 0]
    return X, y, tasks, ~new, new & (rank < KNOWN), new & (rank >= KNOWN), rank


def rmse(model, X, y, tasks):
    model.set_params(unseen="mean")
    rest = np.square(y - model.predict(X, tasks=tasks))
    return float(np.mean([np.sqrt(rest[tasks == t].mean()) for t in np.unique(tasks)]))


def refit(model, X, y, tasks):
    """The same strengths, all rows: those of the new tasks too."""
    strengths = {"intercept_shrinkage": model._fit_of.kappa} | model._given()
    return type(model)(**model.get_params() | strengths).fit(X, y, tasks=tasks)


def fitted(name, X, y, tasks):
    if name == "mixed":
        return MixedEffectsRegressor().fit(X, y, tasks=tasks)
    if name == "mean, reml":
        model = MeanRegularizedRegressor(lambda1="reml", task_weight="size")
        return model.fit(X, y, tasks=tasks)
    own = {"task_weight": "size"}
    if name != "mean, free":
        own |= {"intercept_shrinkage": "reml", "common": True}
    cls = {"joint": JointFeatureRegressor, "trace": TraceNormRegressor}
    model = cls.get(name, MeanRegularizedRegressor)(**own)
    search = MultiTaskSearchCV(model, n_lambdas=8, lambda2=None, cv=TaskKFold(3))
    return search.fit(X, y, tasks=tasks).best_estimator_


NAMES = ["mixed", "mean, reml", "mean, free", "joint", "trace"]
DATA = {"exam": exam, "school": school, "parkinsons": parkinsons}


def errors(data, names, seed):
    """RMSE on new tasks by model and number of labelled rows, after adapting and refits."""
    X, y, tasks, known, some, test, rank = split(*data, seed)
    table = {}
    for name in names:
        model = fitted(name, X[known], y[known], tasks[known])
        table[name, 0] = rmse(model, X[test], y[test], tasks[test])
        for k in (5, 20):
            few = some & (rank < k)
            adapted = model.adapt(X[few], y[few], tasks=tasks[few])
            table[name, k] = rmse(adapted, X[test], y[test], tasks[test])
            if name in ("mean, reml", "joint", "trace"):
                all_rows = known | few
                whole = refit(model, X[all_rows], y[all_rows], tasks[all_rows])
                table[name, "refit", k] = rmse(whole, X[test], y[test], tasks[test])
    return table


def check(table, names):
    shown = {key: round(value, 4) for key, value in table.items()}
    print(shown)
    for name in names:
        if name != "mean, free":  # shrunk intercepts: a few labels are no worse than none
            assert table[name, 5] <= 1.005 * table[name, 0], shown
            assert table[name, 20] <= table[name, 0], shown
    for name in set(names) & {"mean, reml", "joint", "trace"}:
        for k in (5, 20):
            assert abs(table[name, k] / table[name, "refit", k] - 1.0) < 0.01, shown
    if "mean, free" in names:  # free intercepts take five labels for more than they are worth
        assert table["mean, free", 5] > table["mean, reml", 5], shown


@pytest.mark.parametrize("data", ["exam", "school"])
@pytest.mark.filterwarnings("ignore")
def test_new_schools(data, shared_dir):
    check(errors(DATA[data](shared_dir), NAMES, 780), NAMES)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.filterwarnings("ignore")
def test_new_tasks_over_splits(data, shared_dir):
    """The mean of three splits: which dozen of tasks is new decides a single one."""
    names, known = NAMES[:2], DATA[data](shared_dir)
    tables = [errors(known, names, seed) for seed in (781, 782, 783)]
    check({key: np.mean([table[key] for table in tables]) for key in tables[0]}, names)
