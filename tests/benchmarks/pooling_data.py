"""Grouped rows to predict: data sets, and splits of each task's rows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from malsar_py import datasets

from .problems import data_folder

_TABLES = data_folder().parent / "cases" / "tables"
_MOST_ROWS = 3000


@dataclass(frozen=True, eq=False)
class Grouped:
    """Rows with features, target and task."""

    X: np.ndarray
    y: np.ndarray
    tasks: np.ndarray
    classify: bool = False


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


def _numbers(values: Sequence[str]) -> np.ndarray:
    """Numbers, NaN for gaps; ValueError for words."""
    return np.array([float(v) if v not in ("", "NA") else np.nan for v in values])


def _columns_of(values: Sequence[str]) -> np.ndarray:
    """Numbers with gaps at the mean, or a column for each word but the first."""
    try:
        column = _numbers(values)
    except ValueError:
        words = np.array(values)
        return (words[:, None] == np.unique(words)[1:]).astype(float)
    return np.where(np.isnan(column), np.nanmean(column), column)[:, None]


def _table(name: str, target: str, task: str, drop: Sequence[str] = ()) -> Grouped:
    """A file of numbers and words."""
    columns = _read(name)
    y, labels = _numbers(columns.pop(target)), np.array(columns.pop(task))
    X = np.hstack([_columns_of(values) for key, values in columns.items() if key not in drop])
    known = np.isfinite(y)
    return Grouped(X[known], y[known], labels[known])


def _read(name: str) -> dict[str, list[str]]:
    with (_TABLES / name).open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    return {key: [row[key] for row in rows] for key in rows[0] if key}


def _heart() -> Grouped:
    """Heart disease or none, by hospital and sex."""
    columns = _read("heart_uci2.csv")
    y = _numbers(columns.pop("heart_disease_status")) > 0
    place, sex = columns.pop("dataset_location"), columns.pop("sex")
    X = np.hstack([_columns_of(values) for key, values in columns.items() if key != "id"])
    labels = np.array([f"{p}, {s}" for p, s in zip(place, sex, strict=True)])
    return Grouped(X, y, labels, classify=True)


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
    "sleepstudy": partial(_table, "rd_sleepstudy.csv", "Reaction", "Subject", ("rownames",)),
    "diabetes": _diabetes,
    "landmine": partial(_of, datasets.fetch_landmine, classify=True, **_at_home),
    "breast cancer": _breast_cancer,
    "heart": _heart,
}
CLASSIFICATION = ("landmine", "breast cancer", "heart")


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
