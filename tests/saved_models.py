"""Write fitted models of this version: ``python -m tests.saved_models``, once for each release.

`tests/test_saved_models.py` loads the files of all versions, for ever: they are never made again.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd

import malsar_py
from malsar_py import (
    DirtyRegressor,
    GraphRegressor,
    JointFeatureClassifier,
    LassoRegressor,
    MeanRegularizedRegressor,
    MixedEffectsRegressor,
    MultiTaskGLM,
    SeparableKernelRegressor,
    losses,
    penalties,
)
from malsar_py.model_selection import MultiTaskSearchCV

FOLDER = Path(__file__).parent / "data"
NAMES = ["age", "dose", "size"]


def data():
    """Features (48, 3), targets, counts, labels: the same in every version of numpy."""
    i = np.arange(48.0)
    X = np.column_stack([np.sin(i), np.cos(1.7 * i), np.sin(0.3 * i + 1.0)])
    tasks = np.repeat(np.array(["east", "north", "west"]), 16)
    y = X @ [1.0, -0.5, 0.2] + np.repeat([0.0, 1.0, 2.0], 16) + 0.3 * np.sin(7.0 * i)
    return X, y, np.floor(np.exp(0.5 * y)), tasks


def table(X, tasks):
    """Features with the label column."""
    return pd.DataFrame(X, columns=NAMES).assign(school=tasks)


def fit_all():
    """Fitted models by name."""
    X, y, counts, tasks = data()
    classes = np.digitize(y, [0.0, 1.5])
    by_column = np.reshape(y, (3, 16)).T
    return {
        "column": MeanRegularizedRegressor(lambda1=0.5, lambda2=0.1, task_column="school").fit(
            table(X, tasks), y
        ),
        "keyword": MixedEffectsRegressor(covariance="iso", unseen="mean").fit(X, y, tasks=tasks),
        "classes": JointFeatureClassifier(lambda1=0.01, lambda2=0.01).fit(X, classes, tasks=tasks),
        "counts": GraphRegressor(graph="chain", loss="poisson", lambda1=0.3).fit(
            X, counts, tasks=tasks
        ),
        "targets": LassoRegressor(lambda1=0.02).fit(X[:16], by_column),
        "parts": DirtyRegressor(lambda1=0.05, lambda2=0.03, unseen="mean").fit(X, y, tasks=tasks),
        "functions": SeparableKernelRegressor(lambda1=0.1).fit(X, y, tasks=tasks),
        "own": MultiTaskGLM(
            loss=losses.Huber(1.0), penalty=penalties.RowL2() + penalties.Ridge(0.1), lambda1=0.05
        ).fit(X, y, tasks=tasks),
        "search": MultiTaskSearchCV(MeanRegularizedRegressor(lambda2=0.1), lambda1=[0.1, 1.0]).fit(
            X, y, tasks=tasks
        ),
    }


def predictions(name, model):
    """What a model says of the data: by `predict`, of classifiers by `predict_proba`."""
    X, _, _, tasks = data()
    if name == "column":
        return model.predict(table(X, tasks))
    if name == "targets":
        return model.predict(X)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    return getattr(model, method)(X, tasks=tasks)


def main() -> None:
    """Write the file of this version."""
    models = fit_all()
    saved = {name: (model, predictions(name, model)) for name, model in models.items()}
    path = FOLDER / f"models_{malsar_py.__version__}.pickle"
    path.write_bytes(pickle.dumps(saved, protocol=4))
    print(path, f"{path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
