"""How well grouped rows are predicted: pooled and one-hot ridges, boosting, and our models.

Everything is chosen on the training rows; a share of each task's rows is for training.
"""

from __future__ import annotations

import csv
import itertools
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import roc_auc_score

import malsar_py
from malsar_py import datasets
from malsar_py.model_selection import MultiTaskSearchCV

from .problems import data_folder
from .processes import Session, note
from .report import markdown

SHARES = (0.2, 0.75)
SEEDS = (0, 1, 2, 3, 4)
_TABLES = data_folder().parent / "cases" / "tables"
_MOST_ROWS = 6000
_ALPHAS = np.logspace(-3, 5, 17)
_N_LAMBDAS = 10
_FOLDS = 3
# Interactions of features and tasks up to so many columns.
_MOST_COLUMNS = 2500


@dataclass(frozen=True)
class Grouped:
    """Rows with features, target and task."""

    X: np.ndarray
    y: np.ndarray
    tasks: np.ndarray
    classify: bool = False


@dataclass(frozen=True)
class Score:
    """Of one method on one split; RMSE (mean over tasks, all rows), or 1 - AUC twice."""

    by_task: float
    pooled: float
    seconds: float


# --- data ----------------------------------------------------------------------------------------


def _of(fetch: Callable[..., Any], classify: bool = False, **options: Any) -> Grouped:
    bunch = fetch(**options)
    y = np.asarray(bunch.target)
    return Grouped(
        np.asarray(bunch.data, float), y if classify else y.astype(float), bunch.tasks, classify
    )


def _gdsc() -> Grouped:
    """Twenty drugs with the most cell lines, the fifty features that vary most."""
    bunch = datasets.fetch_gdsc(data_home=data_folder())
    Y = np.asarray(bunch.target, float)
    drugs = np.sort(np.argsort(-np.isfinite(Y).sum(axis=0), kind="stable")[:20])
    X = np.asarray(bunch.data, float)
    X = X[:, np.sort(np.argsort(-X.var(axis=0), kind="stable")[:50])]
    i, t = np.nonzero(np.isfinite(Y[:, drugs]))
    return Grouped(X[i], Y[:, drugs][i, t], t)


def _table(name: str, target: str, task: str, drop: Sequence[str] = ()) -> Grouped:
    """A file of numbers and words; words of two values become 0 and 1, gaps the column's mean."""
    with (_TABLES / name).open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    columns = {key: [row[key] for row in rows] for key in rows[0] if key}
    y = np.array([float(v) if v not in ("", "NA") else np.nan for v in columns.pop(target)])
    labels = np.array(columns.pop(task))
    X = []
    for key, values in columns.items():
        if key in drop:
            continue
        try:
            column = np.array([float(v) if v not in ("", "NA") else np.nan for v in values])
        except ValueError:
            column = (np.array(values) == max(values)).astype(float)
        X.append(np.where(np.isnan(column), np.nanmean(column), column))
    known = np.isfinite(y)
    return Grouped(np.column_stack(X)[known], y[known], labels[known])


def _diabetes() -> Grouped:
    """scikit-learn's, by tenths of age."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    age = X[:, 0]
    tenths = np.searchsorted(np.quantile(age, np.arange(1, 10) / 10), age)
    return Grouped(X, y, tenths)


def _breast_cancer() -> Grouped:
    """scikit-learn's, by tenths of the mean texture; the other means are the features."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    tenths = np.searchsorted(np.quantile(X[:, 1], np.arange(1, 10) / 10), X[:, 1])
    return Grouped(X[:, [2, 4, 5, 8, 9]], y, tenths, classify=True)


_at_home = {"data_home": data_folder()}
DATA: dict[str, Callable[[], Grouped]] = {
    "exam": partial(_of, datasets.load_exam),
    "school": partial(_of, datasets.fetch_school, **_at_home),
    "parkinsons": partial(_of, datasets.fetch_parkinsons, **_at_home),
    "sarcos": partial(_of, datasets.fetch_sarcos_subset, **_at_home),
    "computer": partial(_of, datasets.fetch_computer_survey, **_at_home),
    "gdsc": _gdsc,
    "radon": partial(_table, "radon.csv", "log.radon", "county.name", ("...1", "county")),
    "life": partial(_table, "life_expectancy.csv", "life_expectancy", "country", ("status",)),
    "orthodont": partial(_table, "rd_Orthodont.csv", "distance", "Subject", ("rownames",)),
    "diabetes": _diabetes,
    "landmine": partial(_of, datasets.fetch_landmine, classify=True, **_at_home),
    "breast cancer": _breast_cancer,
}


def split(data: Grouped, share: float, seed: int) -> tuple[Grouped, Grouped]:
    """A share of each task's rows to train (two at least), the others to test."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(data.y))
    kept, test = [], []
    for task in np.unique(data.tasks):
        own = rows[data.tasks[rows] == task]
        n = min(max(2, round(share * len(own))), len(own))
        kept.append(own[:n])
        test.append(own[n:])
    train, rest = np.concatenate(kept), np.concatenate(test)
    if len(train) > _MOST_ROWS:
        train = train[np.sort(rng.permutation(len(train))[:_MOST_ROWS])]
        rest = rest[np.isin(data.tasks[rest], data.tasks[train])]
    center, unit = data.X[train].mean(axis=0), data.X[train].std(axis=0)
    X = (data.X - center) / np.where(unit > 0.0, unit, 1.0)
    y = data.y
    if data.classify:
        y = (y == np.unique(y)[1]).astype(int)
    return tuple(  # type: ignore[return-value]
        Grouped(X[some], y[some], data.tasks[some], data.classify) for some in (train, rest)
    )


# --- methods: (train, test) -> predictions -------------------------------------------------------

Method = Callable[[Grouped, Grouped], np.ndarray]


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
) -> np.ndarray:
    """Ridge or logistic ridge on all rows, strength by cross-validation."""
    known = np.unique(train.tasks)
    if interactions and train.X.shape[1] * len(known) > _MOST_COLUMNS:
        return np.full(len(test.y), np.nan)
    A, B = (_columns(d, known, one_hot, interactions) for d in (train, test))
    if train.classify:
        model = LogisticRegressionCV(Cs=8, cv=_FOLDS, scoring="neg_log_loss", max_iter=2000)
        return model.fit(A, train.y).decision_function(B)
    return RidgeCV(_ALPHAS).fit(A, train.y).predict(B)


def boosting(train: Grouped, test: Grouped) -> np.ndarray:
    """Histogram gradient boosting with the task as a category (up to 255 of them)."""
    known = np.unique(train.tasks)
    if len(known) > 255:
        return np.full(len(test.y), np.nan)
    A, B = (np.column_stack([np.searchsorted(known, d.tasks), d.X]) for d in (train, test))
    kind = HistGradientBoostingClassifier if train.classify else HistGradientBoostingRegressor
    model = kind(categorical_features=[0], random_state=0).fit(A, train.y)
    return model.decision_function(B) if train.classify else model.predict(B)


def searched(
    train: Grouped,
    test: Grouped,
    name: str,
    parameters: dict[str, Any],
    search: dict[str, Any],
) -> np.ndarray:
    """One of our models; its strengths by MultiTaskSearchCV."""
    kind = getattr(malsar_py, name + ("Classifier" if train.classify else "Regressor"))
    scoring = "neg_mean_task_log_loss" if train.classify else "neg_mean_task_rmse"
    if name == "Clustered":
        parameters = parameters | {"random_state": 0}
        curvature = 0.25 if train.classify else 1.0
        search = search | {
            "lambda2": curvature * np.array([0.003, 0.03, 0.3, 3.0]),
            "param_grid": {"n_clusters": [1, 3]},
        }
    model = kind(tol=1e-4, **parameters)
    folds = min(_FOLDS, int(np.unique(train.tasks, return_counts=True)[1].max()))
    options = {"n_lambdas": _N_LAMBDAS, "cv": folds, "scoring": scoring} | search
    found = MultiTaskSearchCV(model, **options).fit(train.X, train.y, tasks=train.tasks)
    return _predicted(found, test)


def fitted(train: Grouped, test: Grouped, model: Any) -> np.ndarray:
    """One of our models as it is."""
    if train.classify:
        return np.full(len(test.y), np.nan)
    return _predicted(clone(model).fit(train.X, train.y, tasks=train.tasks), test)


def _predicted(model: Any, test: Grouped) -> np.ndarray:
    method = "decision_function" if test.classify else "predict"
    return getattr(model, method)(test.X, tasks=test.tasks)


def _pooled(name: str, **parameters: Any) -> Method:
    """A model with shrunk intercepts, and a common part where it has one."""
    return partial(
        searched,
        name=name,
        parameters={"task_weight": "size"} | parameters,
        search={"intercept_shrinkage": "auto"},
    )


def _as_before(name: str) -> Method:
    return partial(searched, name=name, parameters={}, search={})


_MIXED = malsar_py.MixedEffectsRegressor
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
    **{
        f"{name}": _as_before(name)
        for name in (
            "Lasso",
            "JointFeature",
            "TraceNorm",
            "MeanRegularized",
            "Clustered",
            "TaskRelationship",
        )
    },
    "MeanRegularized kappa": _pooled("MeanRegularized"),
    **{
        f"{name} common kappa": _pooled(name, common=True)
        for name in ("Lasso", "JointFeature", "TraceNorm", "Clustered", "TaskRelationship")
    },
    "MixedEffects diag": partial(fitted, model=_MIXED()),
    "MixedEffects iso": partial(fitted, model=_MIXED(covariance="iso")),
    "MixedEffects full": partial(fitted, model=_MIXED(covariance="full")),
}
# Trees are no linear method; what is recommended for grouped rows, by kind of target.
_NOT_LINEAR = ("boosting",)
RECOMMENDED = {False: "MixedEffects diag", True: "MeanRegularized kappa"}
_BASELINES = ("ridge + one-hot", "pooled ridge")
_COMMON = ("JointFeature common kappa", "TraceNorm common kappa")
_QUICK_DATA = ("exam", "radon", "orthodont", "diabetes")
_QUICK_SLOW = ("Clustered", "TaskRelationship", "ridge + interactions", "MixedEffects full")


def evaluate(prediction: np.ndarray, test: Grouped, seconds: float) -> Score:
    """RMSE, or 1 - AUC, by task and over all rows: smaller is better."""
    if np.isnan(prediction).any():
        return Score(np.nan, np.nan, np.nan)
    if not test.classify:
        squares = np.square(prediction - test.y)
        each = [np.sqrt(squares[test.tasks == t].mean()) for t in np.unique(test.tasks)]
        return Score(float(np.mean(each)), float(np.sqrt(squares.mean())), seconds)
    losses = []
    for t in np.unique(test.tasks):
        own = test.tasks == t
        if 0 < test.y[own].sum() < own.sum():
            losses.append(1.0 - roc_auc_score(test.y[own], prediction[own]))
    return Score(float(np.mean(losses)), 1.0 - roc_auc_score(test.y, prediction), seconds)


def measure(
    names: Sequence[str], methods: Sequence[str], shares: Sequence[float], seeds: Sequence[int]
) -> dict[tuple[str, float], dict[str, list[Score]]]:
    """Scores of every method on every split; a method that fails scores NaN, and is told of."""
    found: dict[tuple[str, float], dict[str, list[Score]]] = {}
    try:
        for name, share in itertools.product(names, shares):
            cell = _cell(name, share, methods, seeds)
            if cell is not None:
                found[name, share] = cell
                note(f"{name} {share:g}: {_best(cell)}")
    except KeyboardInterrupt:
        note("interrupted: what follows is what had been measured")
    return found


def _cell(
    name: str, share: float, methods: Sequence[str], seeds: Sequence[int]
) -> dict[str, list[Score]] | None:
    try:
        data = DATA[name]()
    except OSError as error:
        note(f"{name}: skipped, {error}")
        return None
    cell: dict[str, list[Score]] = {method: [] for method in methods}
    for seed in seeds:
        train, test = split(data, share, seed)
        for method in methods:
            cell[method].append(_score(method, train, test, f"{name} {share:g} {seed}"))
    return cell


def _score(method: str, train: Grouped, test: Grouped, where: str) -> Score:
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            prediction = METHODS[method](train, test)
        except (ValueError, np.linalg.LinAlgError) as error:
            note(f"{method} on {where}: {str(error)[:100]}")
            prediction = np.full(len(test.y), np.nan)
    return evaluate(prediction, test, time.process_time() - start)


def mean_of(scores: Sequence[Score], which: str) -> float:
    """Mean over the splits."""
    return float(np.mean([getattr(score, which) for score in scores]))


def _best(cell: dict[str, list[Score]], linear: bool = True) -> str:
    means = {
        m: mean_of(s, "by_task") for m, s in cell.items() if not linear or m not in _NOT_LINEAR
    }
    return min(means, key=lambda m: means[m] if np.isfinite(means[m]) else np.inf)


def _against(cell: dict[str, list[Score]], method: str, other: str) -> tuple[float, float]:
    """Per cent by which the method is worse than another, and the standard error over splits."""
    one = np.array([score.by_task for score in cell[method]])
    rest = np.array([score.by_task for score in cell[other]])
    each = 100.0 * (one / rest - 1.0)
    mean = 100.0 * (one.mean() / rest.mean() - 1.0)
    return float(mean), float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else np.nan


def _cell_tables(found: dict[tuple[str, float], dict[str, list[Score]]]) -> list[str]:
    texts = []
    for (name, share), cell in found.items():
        rows = []
        for method, scores in cell.items():
            if np.isnan(mean_of(scores, "by_task")):
                continue
            spread = np.std([s.by_task for s in scores], ddof=1) if len(scores) > 1 else np.nan
            rows.append(
                [
                    method,
                    f"{mean_of(scores, 'by_task'):.4g}",
                    f"{spread / np.sqrt(len(scores)):.2g}",
                    f"{mean_of(scores, 'pooled'):.4g}",
                    f"{mean_of(scores, 'seconds'):.2g}",
                ]
            )
        what = "1 - AUC" if name in ("landmine", "breast cancer") else "RMSE"
        header = ["method", f"{what}, mean of tasks", "s.e.", f"{what}, all rows", "CPU s"]
        texts.append(f"{name}, {100 * share:.0f} % to train\n\n{markdown(header, rows)}")
    return texts


def _summary(found: dict[tuple[str, float], dict[str, list[Score]]]) -> str:
    """Per cent over the best linear method, cell by cell and on average."""
    methods = list(next(iter(found.values())))
    header = ["method", *(f"{name} {100 * share:.0f}" for name, share in found), "mean"]
    rows = []
    for method in methods:
        values = [_against(cell, method, _best(cell))[0] for cell in found.values()]
        known = [v for v in values if np.isfinite(v)]
        shown = ["-" if np.isnan(v) else f"{v:+.1f}" for v in values]
        rows.append([method, *shown, f"{np.mean(known):+.1f}" if known else "-"])
    return markdown(header, rows)


def _verdicts(found: dict[tuple[str, float], dict[str, list[Score]]]) -> list[str]:
    """What was wanted, and where it is not so."""
    texts, near = [], []
    for (name, share), cell in found.items():
        where = f"{name} {100 * share:.0f} %"
        classify = name in ("landmine", "breast cancer")
        chosen = RECOMMENDED[classify]
        near.append(_against(cell, chosen, _best(cell))[0] <= 1.0)
        for method, others, most in (
            (chosen, _BASELINES, 1.0),
            *((method, ("pooled ridge",), 2.0) for method in _COMMON),
        ):
            if method not in cell:
                continue
            for other in others:
                worse, error = _against(cell, method, other)
                if worse > most:
                    texts.append(f"{where}: {method} {worse:+.1f} % (s.e. {error:.1f}) on {other}")
    texts.insert(
        0, f"the recommended method is within 1 % of the best linear one in {sum(near)}/{len(near)}"
    )
    return texts


def pooling_table(
    session: Session,
    seeds: Sequence[int] | None = None,
    only: Sequence[str] | None = None,
    quick: bool = False,
) -> str:
    """The report; ``only`` are names of data sets."""
    names = [name for name in (_QUICK_DATA if quick else DATA) if only is None or name in only]
    if only is not None and quick:
        names = [name for name in DATA if name in only]
    methods = [m for m in METHODS if not quick or not m.startswith(_QUICK_SLOW)]
    found = measure(names, methods, SHARES, list(seeds or (SEEDS[:1] if quick else SEEDS)))
    if not found:
        return "no data"
    lines = "\n".join(f"* {text}" for text in _verdicts(found))
    intro = "Per cent over the best linear method of the cell (mean over tasks):"
    return "\n\n".join([intro, _summary(found), f"Wanted:\n\n{lines}", *_cell_tables(found)])
