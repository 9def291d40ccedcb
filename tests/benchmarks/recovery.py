"""Whether models find the outlier tasks, clusters and features that simulations put in."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from malsar_py import (
    ClusteredRegressor,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    MultiLevelLassoRegressor,
    MultiStageRegressor,
    RobustFeatureRegressor,
    RobustLowRankRegressor,
    SharedSubspaceClustering,
    SharedSubspaceRegressor,
    TraceNormRegressor,
)
from malsar_py.datasets import make_clustered, make_joint_feature, make_low_rank
from malsar_py.model_selection import lambda1_max

from .processes import Session, note
from .report import markdown

SEEDS = range(10)
# Of one simulation: model -> what is measured -> value.
Outcome = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Study:
    """A simulation, what is asked of it, and who answers."""

    title: str
    data: str
    run: Callable[[int], Outcome]

    def results(self) -> dict[str, dict[str, np.ndarray]]:
        """The values of all seeds."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stages are cut off on purpose
            outcomes = [self.run(seed) for seed in SEEDS]
        return {
            model: {name: np.array([o[model][name] for o in outcomes]) for name in measures}
            for model, measures in outcomes[0].items()
        }


def error(model: Any, W: np.ndarray) -> float:
    """Distance of the coefficients from the true ones, over the size of these."""
    return float(np.linalg.norm(model.coef_ - W) / np.linalg.norm(W))


# --- outlier tasks -------------------------------------------------------------------------------


def with_outliers(make: Callable[..., Any], seed: int, **own: Any) -> tuple[np.ndarray, ...]:
    """Twelve tasks of ``make``'s kind, two of which have coefficients of their own kind instead."""
    n_tasks, n_samples, d = 12, 80, 15
    rng = np.random.default_rng(seed)
    *_, W = make(n_tasks, n_samples, d, coef=True, random_state=seed, **own)
    outliers = np.sort(rng.choice(n_tasks, 2, replace=False))
    W[outliers] = 2.0 * rng.standard_normal((2, d))
    X = rng.standard_normal((n_tasks * n_samples, d))
    tasks = np.repeat(np.arange(n_tasks), n_samples)
    y = np.einsum("ij,ij->i", X, W[tasks]) + rng.standard_normal(len(tasks))
    return X, y, tasks, W, outliers


def _outliers(robust: Any, plain: Any, make: Callable[..., Any], seed: int, **own: Any) -> Outcome:
    X, y, tasks, W, outliers = with_outliers(make, seed, **own)
    robust.fit(X, y, tasks=tasks)
    named = robust.outlier_tasks_
    found = {
        "outliers named": np.isin(outliers, named).mean(),
        "other tasks named": float(np.setdiff1d(named, outliers).size),
        "exactly these": float(np.array_equal(named, outliers)),
        "error": error(robust, W),
    }
    if hasattr(robust, "coef_shared_"):
        usual = np.setdiff1d(np.arange(len(W)), outliers)
        used = robust.coef_shared_.any(axis=0)
        found["features right"] = np.mean(used == W[usual].any(axis=0))
    nothing = dict.fromkeys(found, np.nan)
    return {
        type(robust).__name__: found,
        type(plain).__name__: nothing | {"error": error(plain.fit(X, y, tasks=tasks), W)},
    }


def features_and_outliers(seed: int) -> Outcome:
    robust = RobustFeatureRegressor(lambda1=0.6, lambda2=0.8)
    return _outliers(
        robust, JointFeatureRegressor(lambda1=0.6), make_joint_feature, seed, n_informative=4
    )


def low_rank_and_outliers(seed: int) -> Outcome:
    robust = RobustLowRankRegressor(lambda1=1.5, lambda2=1.2)
    return _outliers(robust, TraceNormRegressor(lambda1=1.5), make_low_rank, seed)


# --- clusters ------------------------------------------------------------------------------------


def clusters_of_tasks(seed: int) -> Outcome:
    """Also by k-means on what the others know: ridge coefficients, those in the subspace."""
    n_clusters = 3
    X, y, tasks, W = make_clustered(12, 12, 20, n_clusters=n_clusters, coef=True, random_state=seed)
    truth = np.arange(12) % n_clusters
    centres = np.linalg.qr(np.stack([W[truth == k].mean(axis=0) for k in range(n_clusters)]).T)[0]

    def by_means(Z: np.ndarray) -> np.ndarray:
        return KMeans(n_clusters, n_init=10, random_state=0).fit_predict(Z)

    clustered = ClusteredRegressor(
        lambda1=3.0, lambda2=0.1, n_clusters=n_clusters, random_state=0
    ).fit(X, y, tasks=tasks)
    subspace = SharedSubspaceRegressor(lambda1=3.0, lambda2=0.1, n_components=n_clusters)
    subspace.fit(X, y, tasks=tasks)
    ridge = MeanRegularizedRegressor(lambda1=0.0, lambda2=0.1).fit(X, y, tasks=tasks)
    basis = np.linalg.svd(ridge.coef_)[2][:n_clusters]
    answers = {
        "ClusteredRegressor": (clustered, clustered.task_labels_, None),
        "SharedSubspaceRegressor": (
            subspace,
            by_means(subspace.coef_ @ subspace.components_.T),
            subspace.components_,
        ),
        "ridge": (ridge, by_means(ridge.coef_), basis),
    }
    return {
        name: {
            "adjusted Rand index": adjusted_rand_score(truth, labels),
            "centres in the subspace": (
                np.nan if span is None else np.square(span @ centres).sum() / n_clusters
            ),
            "error": error(model, W),
        }
        for name, (model, labels, span) in answers.items()
    }


def clustered_rows(
    seed: int = 0, n: int = 40, d: int = 6, n_tasks: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two clusters in every task, each with features of its own (as words of documents are)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n * n_tasks)
    tasks = np.repeat(np.array(list("abc"))[:n_tasks], n)
    centers = 4.0 * np.kron(np.eye(2), np.ones(d // 2))
    X = rng.standard_normal((len(truth), d)) + centers[truth]
    return X, tasks, truth


def clusters_of_rows(seed: int) -> Outcome:
    X, tasks, truth = clustered_rows(seed)
    labels = SharedSubspaceClustering(random_state=seed, n_init=3, tol=1e-5).fit_predict(
        X, tasks=tasks
    )
    scores = [adjusted_rand_score(truth[tasks == t], labels[tasks == t]) for t in "abc"]
    return {"SharedSubspaceClustering": {"adjusted Rand index": float(np.mean(scores))}}


# --- features ------------------------------------------------------------------------------------


def shared_features(seed: int) -> Outcome:
    X, y, tasks, W = make_joint_feature(10, 30, 60, n_informative=6, coef=True, random_state=seed)
    true = W.any(axis=0)
    entry, row = (
        lambda1_max(model, X, y, tasks=tasks)
        for model in (LassoRegressor(), JointFeatureRegressor())
    )
    found = {}
    for model in (
        LassoRegressor(lambda1=entry / 4),
        JointFeatureRegressor(lambda1=row / 4),
        MultiStageRegressor(lambda1=entry / 4),
        MultiLevelLassoRegressor(lambda1=0.15 * entry, lambda2=0.15 * entry),
    ):
        used = model.fit(X, y, tasks=tasks).coef_.any(axis=0)
        found[type(model).__name__] = {
            "precision": (used & true).sum() / max(used.sum(), 1),
            "recall": (used & true).sum() / true.sum(),
            "exactly these": float(np.array_equal(used, true)),
            "error": error(model, W),
        }
    return found


def sparse_rows(
    seed: int, T: int = 10, n: int = 25, d: int = 200
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A tenth of the features count, each for a fifth of the tasks (Gong, Ye, Zhang 2012)."""
    rng = np.random.default_rng(seed)
    W = rng.uniform(-10.0, 10.0, (d, T))
    W[rng.permutation(d)[: d - d // 10]] = 0.0
    W[rng.random((d, T)) < 0.8] = 0.0
    X, tasks = rng.standard_normal((T * n, d)), np.repeat(np.arange(T), n)
    y = np.einsum("ij,ij->i", X, W.T[tasks]) + 0.1 * rng.standard_normal(T * n)
    return X, y, tasks, W.T


def stages(seed: int) -> Outcome:
    X, y, tasks, W = sparse_rows(seed)
    model = MultiStageRegressor(lambda1=0.3, threshold=3.0, fit_intercept=False, tol=1e-5)
    after = (1, 2, 3, 5)
    errors = [error(model.set_params(max_stages=n).fit(X, y, tasks=tasks), W) for n in after]
    names = [f"error after {n} stage{'s' * (n > 1)}" for n in after]
    return {"MultiStageRegressor": dict(zip(names, errors, strict=True))}


STUDIES = {
    "features and outliers": Study(
        "Outlier tasks among tasks with shared features",
        "12 tasks of 80 rows, 15 features of which 4 count, 2 tasks with coefficients of their own",
        features_and_outliers,
    ),
    "low rank and outliers": Study(
        "Outlier tasks among tasks of low rank",
        "12 tasks of 80 rows, 15 features, 2 tasks with coefficients of their own",
        low_rank_and_outliers,
    ),
    "tasks": Study(
        "Clusters of tasks",
        "12 tasks of 12 rows in 3 clusters, 20 features. Labels of SharedSubspace and of the ridge "
        "are by k-means on coefficients. The next column is the share of the centres' directions "
        "in `components_`, and in the top singular vectors of the ridge",
        clusters_of_tasks,
    ),
    "rows": Study(
        "Clusters of rows",
        "3 tasks of 40 rows in 2 clusters, 6 features",
        clusters_of_rows,
    ),
    "features": Study(
        "Shared features",
        "10 tasks of 30 rows, 60 features of which 6 count. lambda1 is a quarter of lambda1_max; "
        "of MultiLevelLasso both lambdas are 0.15 of the Lasso's",
        shared_features,
    ),
    "stages": Study(
        "Stages of MultiStage",
        "10 tasks of 25 rows, 200 features of which 20 count, each for a fifth of the tasks",
        stages,
    ),
}


def _entry(values: np.ndarray) -> str:
    if np.isnan(values).all():
        return "-"
    return f"{values.mean():.3g} ({values.min():.2g} to {values.max():.2g})"


def recovery_table(session: Session) -> str:
    """A table for each study."""
    parts = [
        f"Means over {len(SEEDS)} simulations (smallest to largest). `error` is the distance of "
        "the coefficients from the true ones over the size of these. Strengths are the same for "
        "all simulations, or the same share of `lambda1_max`: chosen by hand, not by "
        "cross-validation."
    ]
    for name, study in STUDIES.items():
        note(name)
        results = study.results()
        header = ["model", *next(iter(results.values()))]
        rows = [
            [model, *(_entry(values) for values in measures.values())]
            for model, measures in results.items()
        ]
        parts.append(f"### {study.title}\n\n{study.data}.\n\n{markdown(header, rows)}")
    return "\n\n".join(parts)
