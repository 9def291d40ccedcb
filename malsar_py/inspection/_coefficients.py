"""Coefficients as a tidy table, in the units of the model and in those of the features as given."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from .._intervals import check_level
from .._typing import AnyArray, FloatArray
from ..plotting._draw import final_model
from ._result import BootstrapResult
from ._scales import affine
from ._tables import frame

_INTERCEPT = "(intercept)"
# Ends of intervals: lower and upper, intercepts (n, 1) before coefficients (n, d).
_Ends = tuple[FloatArray, FloatArray]


def coefficient_table(model: Any, *, scaler: Any = None, level: float = 0.9) -> Any:
    """Coefficients of a fitted model, a row for each task and feature.

    Parameters
    ----------
    model : estimator or BootstrapResult
        A fitted model of this package that has coefficients, a pipeline or search that ends in one,
        or what :func:`bootstrap` returned, whose intervals are then in the table.
    scaler : fitted transformer, default=None
        What was done to the features before a model that is in no pipeline: StandardScaler,
        MinMaxScaler, MaxAbsScaler or RobustScaler; a pipeline, ColumnTransformer or
        :func:`malsar_py.keep_tasks` of these. None: what the steps of the pipeline say.
    level : float, default=0.9
        Level of the intervals, in (0, 1).

    Returns
    -------
    table : DataFrame, or dict of ndarrays without pandas
        Columns `task`, `class` (of classifiers with more than two), `feature` ("(intercept)" for
        the intercepts, first in each task) and `coefficient`, per unit of what the model sees. With
        intervals `lower` and `upper`. If there is a scaler or pipeline, `original`, per unit of
        the feature as given to the scaler (the intercept is then that at features of 0), and
        `original_lower` and `original_upper`.

    Raises
    ------
    ValueError, TypeError
        If the model has no coefficients or the scaler is not that of its features.

    Notes
    -----
    `z = (x - c) / s` makes ``w z`` a slope ``w / s`` in x, and the intercept ``b - sum w c / s``.
    Scalers count from the end of the pipeline up to the first step that makes features of others
    (such as PolynomialFeatures): its features are then the originals. Columns of a
    ColumnTransformer that are not scaled (dummies) are as they are.

    Intervals are percentiles of the resamples of a BootstrapResult (in a pipeline each has its own
    scaler, but original units are those of the fit of all rows), or ``coef_interval`` of models
    that have it, such as MixedEffectsRegressor, which does not say those of intercepts: NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from malsar_py import MeanRegularizedRegressor, keep_tasks
    >>> from malsar_py.inspection import coefficient_table
    >>> X = np.array([["a", 1.0], ["a", 3.0], ["b", 2.0], ["b", 6.0]], dtype=object)
    >>> model = MeanRegularizedRegressor(lambda1=0.0, task_column=0)
    >>> model = make_pipeline(keep_tasks(StandardScaler()), model).fit(X, [1.0, 5.0, 4.0, 0.0])
    >>> table = coefficient_table(model)
    >>> table["original"].round(6).tolist()  # intercept and slope of a, of b
    [-1.0, 2.0, 6.0, -1.0]
    """
    check_level(level)
    resamples = model if isinstance(model, BootstrapResult) else None
    given = model if resamples is None else resamples.estimator
    fitted, steps = final_model(given), _steps(given)
    shape = (len(fitted.tasks_), -1, np.shape(fitted.coef_)[-1])
    coef = np.asarray(fitted.coef_, dtype=np.float64).reshape(shape)
    T, K, d = coef.shape
    intercept = np.broadcast_to(np.reshape(fitted.intercept_, (-1, K, 1)), (T, K, 1))
    values = np.concatenate([intercept, coef], axis=2)
    shown = slice(None) if getattr(fitted, "fit_intercept", True) else slice(1, None)
    names = np.array([_INTERCEPT, *_feature_names(fitted, steps)], dtype=object)[shown]
    columns: dict[str, AnyArray] = {"task": np.repeat(fitted.tasks_, K * len(names))}
    if K > 1:
        columns["class"] = np.tile(np.repeat(fitted.classes_, len(names)), T)
    columns["feature"] = np.tile(names, T * K)

    def add(prefix: str, which: str, found: FloatArray) -> None:
        columns[f"{prefix}{which}"] = found.reshape(T, K, d + 1)[..., shown].ravel()

    add("", "coefficient", values)
    ends = _ends(resamples, fitted, level)
    if ends is not None:
        for which, found in zip(("lower", "upper"), ends, strict=True):
            add("", which, found)
    if scaler is None and not steps:
        return frame(columns)
    center, scale = affine([scaler] if scaler is not None else steps, d)
    add("", "original", _original(values, center, scale))
    if resamples is not None:  # an original intercept is of the intercept and all coefficients
        ends = resamples.interval(_original(_drawn(resamples), center, scale), level)
    elif ends is not None:
        ends = _original(ends[0], center, scale), _original(ends[1], center, scale)
    if ends is not None:
        for which, found in zip(("lower", "upper"), ends, strict=True):
            add("original_", which, found)
    return frame(columns)


def _original(values: FloatArray, center: FloatArray, scale: FloatArray) -> FloatArray:
    """Intercepts and coefficients (..., 1 + d) of the features before they were scaled."""
    coef = values[..., 1:] / scale
    return np.concatenate([values[..., :1] - (coef @ center)[..., None], coef], axis=-1)


def _drawn(resamples: BootstrapResult) -> FloatArray:
    """Intercepts and coefficients (n_resamples, n, 1 + d)."""
    return np.concatenate([resamples.intercepts[..., None], resamples.coefs], axis=-1)


def _ends(resamples: BootstrapResult | None, fitted: Any, level: float) -> _Ends | None:
    """Ends of the intervals (n, 1 + d), if there are any."""
    if resamples is not None:
        return resamples.interval(_drawn(resamples), level)
    if not hasattr(fitted, "coef_interval"):
        return None
    try:
        ends = fitted.coef_interval(level)
    except ValueError:  # of this fit there are none: of another loss, or without rows to spare
        check_level(level)
        return None
    lower, upper = (np.reshape(end, (len(fitted.tasks_), -1)) for end in ends)
    unknown = np.full((len(lower), 1), np.nan)
    return np.hstack([unknown, lower]), np.hstack([unknown, upper])


def _steps(estimator: Any) -> list[Any]:
    """The steps before the model in pipelines and searches."""
    found: list[Any] = []
    while not hasattr(estimator, "coef_"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            found += [step for _, step in estimator.steps[:-1]]
            estimator = estimator.steps[-1][1]
        else:
            break
    return found


def _feature_names(fitted: Any, steps: list[Any]) -> AnyArray:
    """Names of the features; of steps that return arrays those that the last of them gives."""
    names = fitted.coef_feature_names_
    if hasattr(fitted, "feature_names_in_") or not steps:
        return names
    try:
        head = Pipeline([(str(i), step) for i, step in enumerate(steps)])
        known = np.asarray(head.get_feature_names_out(), dtype=object)
    except (AttributeError, ValueError):  # it does not know
        return names
    if len(known) == fitted.n_features_in_ and len(known) > len(names):
        known = np.delete(known, int(fitted.task_column))
    return known if len(known) == len(names) else names
