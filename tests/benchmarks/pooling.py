"""How well grouped rows are predicted: pooled and one-hot ridges, boosting, and our models.

Everything is chosen on the training rows; a share of each task's rows is for training.
"""

from __future__ import annotations

import itertools
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

import malsar_py
from malsar_py.metrics import make_task_scorer
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold

from .pooling_data import CLASSIFICATION, DATA, Grouped, split
from .pooling_report import report
from .processes import Session, note

SHARES = (0.2, 0.75)
SEEDS = (70201, 70202, 70203, 70204, 70205)
RECORD = Path(__file__).with_name("pooling.json")
_ALPHAS = np.logspace(-3, 5, 17)
_N_LAMBDAS = 8
_FOLDS = 5
# Of those that take minutes (SLOW).
_FEW_FOLDS = 3
# Interactions of features and tasks up to so many columns.
_MOST_COLUMNS = 1000
_LEVEL = 0.9
_SCORING = {False: "neg_mean_task_rmse", True: "neg_mean_task_log_loss"}
_MIXED, _MEAN = malsar_py.MixedEffectsRegressor, malsar_py.MeanRegularizedRegressor


@dataclass(frozen=True)
class Score:
    """Of one method on one split: RMSE, or log loss for classes."""

    data: str
    share: float
    seed: int
    method: str
    by_task: float | None = None  # mean over tasks; None: the method is not for these data
    pooled: float | None = None  # of all rows
    auc: float | None = None  # mean over tasks with both classes
    covered: float | None = None  # share of test rows in their 90 % interval, if there are any
    seconds: float | None = None  # CPU


# What a method makes of test rows: predictions, and their standard deviations if it has such.
Made = tuple[np.ndarray, np.ndarray | None]
Method = Callable[[Grouped, Grouped], Made | None]


def _columns(data: Grouped, known: np.ndarray, one_hot: bool, interactions: bool) -> np.ndarray:
    parts = [data.X]
    if one_hot:
        dummies = (data.tasks[:, None] == known).astype(float)
        parts.append(dummies)
        if interactions:
            parts.append((dummies[:, :, None] * data.X[:, None, :]).reshape(len(data.y), -1))
    return np.hstack(parts)


def ridge(
    train: Grouped, test: Grouped, one_hot: bool = False, interactions: bool = False
) -> Made | None:
    """Ridge or logistic ridge on all rows, strength by cross-validation."""
    known = np.unique(train.tasks)
    if interactions and train.X.shape[1] * len(known) > _MOST_COLUMNS:
        return None
    A, B = (_columns(d, known, one_hot, interactions) for d in (train, test))
    if train.classify:
        model = LogisticRegressionCV(Cs=8, cv=_FOLDS, scoring="neg_log_loss", max_iter=2000)
        return model.fit(A, train.y).decision_function(B), None
    return RidgeCV(_ALPHAS).fit(A, train.y).predict(B), None


def boosting(train: Grouped, test: Grouped) -> Made | None:
    """Histogram gradient boosting with the task as a category (up to 255 of them)."""
    known = np.unique(train.tasks)
    if len(known) > 255:
        return None
    A, B = (np.column_stack([np.searchsorted(known, d.tasks), d.X]) for d in (train, test))
    kind = HistGradientBoostingClassifier if train.classify else HistGradientBoostingRegressor
    model = kind(categorical_features=[0], random_state=0).fit(A, train.y)
    return (model.decision_function(B) if train.classify else model.predict(B)), None


def searched(
    train: Grouped, test: Grouped, name: str, parameters: dict[str, Any], search: dict[str, Any]
) -> Made:
    """One of our models; its strengths by MultiTaskSearchCV."""
    kind = getattr(malsar_py, name + ("Classifier" if train.classify else "Regressor"))
    if name == "Clustered":
        parameters = parameters | {"random_state": 0}
        curvature = 0.25 if train.classify else 1.0
        search = search | {
            "lambda2": curvature * np.array([0.003, 0.03, 0.3, 3.0]),
            "param_grid": {"n_clusters": [1, 3]},
        }
    return _predicted(_search(kind, train, parameters, search).best_estimator_, test)


def _search(
    kind: type, train: Grouped, parameters: dict[str, Any], search: dict[str, Any]
) -> MultiTaskSearchCV:
    most = _FEW_FOLDS if kind.__name__.startswith(SLOW) else _FOLDS
    options = {
        "n_lambdas": _N_LAMBDAS,
        "cv": _folds(train, most),
        "scoring": _SCORING[train.classify],
    }
    model = kind(tol=1e-4, **parameters)
    return MultiTaskSearchCV(model, **options | search).fit(train.X, train.y, tasks=train.tasks)


@lru_cache(maxsize=1)
def _mean_search(train: Grouped) -> tuple[MultiTaskSearchCV, float]:
    """The search, for two methods, and its seconds."""
    start = time.process_time()
    kind = malsar_py.MeanRegularizedClassifier if train.classify else _MEAN
    found = _search(kind, train, {"task_weight": "size"}, {"intercept_shrinkage": "auto"})
    return found, time.process_time() - start


def mean_regularized(train: Grouped, test: Grouped) -> Made:
    """Mean regularisation, all strengths by cross-validation."""
    return _predicted(_mean_search(train)[0].best_estimator_, test)


def _folds(train: Grouped, most: int = _FOLDS) -> int:
    return min(most, int(np.unique(train.tasks, return_counts=True)[1].max()))


def recommended(train: Grouped, test: Grouped) -> Made | None:
    """A mixed model, with random slopes if they predict better than random intercepts alone.

    Or mean regularisation, if it is clearly better: its strengths are the best of many, and its
    error looks smaller than it is. Where no task has three rows, cross-validation leaves one, which
    tells nothing of how tasks differ: nothing is chosen.
    """
    if train.classify:
        return None
    if _folds(train) < 3:
        return fitted(train, test, _MIXED())
    search = _mean_search(train)[0]
    labelled = np.column_stack([np.unique(train.tasks, return_inverse=True)[1], train.X])
    scorer, cv = make_task_scorer(_SCORING[False]), TaskKFold(_folds(train), task_column=0)
    models = [_MIXED(task_column=0, random=random) for random in ("varying", [])]
    scores = [cross_val_score(m, labelled, train.y, cv=cv, scoring=scorer) for m in models]
    best = int(scores[1].mean() > scores[0].mean())
    ours = [
        search.cv_results_[f"split{k}_test_score"][search.best_index_]
        for k in range(len(scores[0]))
    ]
    if clear(np.array(ours) - scores[best]):
        return _predicted(search.best_estimator_, test)
    return fitted(train, test, _MIXED(random=models[best].random))


def clear(gain: np.ndarray) -> bool:
    """Whether the folds' gains are, on average, more than two standard errors above 0.

    Folds share training rows: the variance is that of Nadeau and Bengio (Machine Learning, 2003),
    by which the standard error is half as large again with five folds.
    """
    k = len(gain)
    return bool(gain.mean() > 2.0 * gain.std(ddof=1) * np.sqrt(1.0 / k + 1.0 / (k - 1.0)))


def fitted(train: Grouped, test: Grouped, model: Any) -> Made | None:
    """One of our regressors as it is."""
    if train.classify:
        return None
    return _predicted(clone(model).fit(train.X, train.y, tasks=train.tasks), test)


def _predicted(model: Any, test: Grouped) -> Made:
    if test.classify:
        return model.decision_function(test.X, tasks=test.tasks), None
    if not hasattr(model, "coef_interval"):
        return model.predict(test.X, tasks=test.tasks), None
    return model.predict(test.X, tasks=test.tasks, return_std=True)


def _pooled(name: str) -> Method:
    """A model with shrunk intercepts and a common part."""
    return partial(
        searched,
        name=name,
        parameters={"task_weight": "size", "common": True},
        search={"intercept_shrinkage": "auto"},
    )


def _as_before(name: str) -> Method:
    return partial(searched, name=name, parameters={}, search={})


_BEFORE = ("Lasso", "JointFeature", "TraceNorm", "MeanRegularized", "Clustered", "TaskRelationship")
METHODS: dict[str, Method] = {
    "pooled ridge": ridge,
    "single-task ridge": partial(
        searched,
        name="MeanRegularized",
        parameters={},
        search={"lambda1": [0.0], "lambda2": np.logspace(-3, 2, 10)},
    ),
    "ridge + one-hot": partial(ridge, one_hot=True),
    "ridge + interactions": partial(ridge, one_hot=True, interactions=True),
    "boosting": boosting,
    **{name: _as_before(name) for name in _BEFORE},
    "MeanRegularized kappa": mean_regularized,
    **{
        f"{name} common kappa": _pooled(name)
        for name in ("Lasso", "JointFeature", "TraceNorm", "Clustered", "TaskRelationship")
    },
    "MeanRegularized reml": partial(fitted, model=_MEAN(lambda1="reml", task_weight="size")),
    "MixedEffects diag": partial(fitted, model=_MIXED()),
    "MixedEffects iso": partial(fitted, model=_MIXED(covariance="iso")),
    "MixedEffects full": partial(fitted, model=_MIXED(covariance="full")),
    "MixedEffects by CV": recommended,
}
_QUICK_DATA = ("exam", "radon", "orthodont", "diabetes")
# Minutes on the larger data sets.
SLOW = ("Lasso", "Clustered", "TaskRelationship", "ridge + interactions")


def evaluate(made: Made, test: Grouped) -> dict[str, float]:
    """RMSE, or log loss, by task and over all rows: smaller is better; and the AUC of classes."""
    prediction, std = made
    groups = [test.tasks == t for t in np.unique(test.tasks)]
    if test.classify:
        losses = np.logaddexp(0.0, np.where(test.y > 0, -prediction, prediction))
        areas = [
            roc_auc_score(test.y[own], prediction[own])
            for own in groups
            if 0 < test.y[own].sum() < own.sum()
        ]
        by_task = float(np.mean([losses[own].mean() for own in groups]))
        return {"by_task": by_task, "pooled": float(losses.mean()), "auc": float(np.mean(areas))}
    errors = prediction - test.y
    each = [np.sqrt(np.mean(errors[own] ** 2)) for own in groups]
    found = {"by_task": float(np.mean(each)), "pooled": float(np.sqrt(np.mean(errors**2)))}
    if std is not None:
        half = norm.ppf(0.5 + 0.5 * _LEVEL) * std
        found["covered"] = float(np.mean(np.abs(errors) <= half))
    return found


def measure(
    names: Sequence[str],
    methods: Sequence[str],
    shares: Sequence[float],
    seeds: Sequence[int],
    record: Path | None = None,
) -> list[Score]:
    """Scores of every method on every split, added to those on record, which stay as they are."""
    found = read(record)
    known = {(s.data, s.share, s.seed, s.method) for s in found}
    try:
        for seed, name, share in itertools.product(seeds, names, shares):
            left = [m for m in methods if (name, share, seed, m) not in known]
            if not left:
                continue
            try:
                train, test = split(DATA[name](), share, seed)
            except OSError as error:
                note(f"{name}: skipped, {error}")
                continue
            note(f"{name} {share:g}, seed {seed}")
            found += [_score(Score(name, share, seed, m), train, test) for m in left]
            _keep(found, record)
    except KeyboardInterrupt:
        note("interrupted: what follows is what had been measured")
    return found


def _score(wanted: Score, train: Grouped, test: Grouped) -> Score:
    start, known = time.process_time(), _mean_search.cache_info().hits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = METHODS[wanted.method](train, test)
        except (ValueError, np.linalg.LinAlgError) as error:
            note(f"{wanted.method} on {wanted.data} {wanted.share:g}: {str(error)[:100]}")
            made = None
    if made is None:
        return wanted
    seconds = time.process_time() - start
    if _mean_search.cache_info().hits > known:
        seconds += _mean_search(train)[1]
    return Score(**asdict(wanted) | evaluate(made, test) | {"seconds": round(seconds, 3)})


def read(record: Path | None) -> list[Score]:
    """What is on record."""
    if record is None or not record.is_file():
        return []
    document = json.loads(record.read_text(encoding="utf-8"))
    rows = (dict(zip(document["columns"], row, strict=True)) for row in document["scores"])
    return [Score(**row) for row in rows]


def _keep(scores: Sequence[Score], record: Path | None) -> None:
    if record is None:
        return
    columns = list(Score.__dataclass_fields__)
    order = {name: place for place, name in enumerate([*DATA, *METHODS])}
    rows = sorted(scores, key=lambda s: (order[s.data], s.share, order[s.method], s.seed))
    lines = [json.dumps([_short(getattr(s, c)) for c in columns]) for s in rows]
    text = ",\n  ".join(lines)
    record.write_text(
        f'{{\n "columns": {json.dumps(columns)},\n'
        f' "classification": {json.dumps(CLASSIFICATION)},\n "scores": [\n  {text}\n ]\n}}\n',
        encoding="utf-8",
    )


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def pooling_table(
    session: Session,
    seeds: Sequence[int] | None = None,
    only: Sequence[str] | None = None,
    quick: bool = False,
    write: bool = False,
) -> str:
    """The report; ``only`` are names of data sets. ``write``: go on from the record."""
    usual = _QUICK_DATA if quick else DATA
    chosen = [name for name in (usual if only is None else DATA) if only is None or name in only]
    methods = [m for m in METHODS if not quick or not m.startswith(SLOW)]
    seeds = list(seeds or (SEEDS[:1] if quick else SEEDS))
    found = measure(chosen, methods, SHARES, seeds, RECORD if write else None)
    return report(found) if found else "no data"
