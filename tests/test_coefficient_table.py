"""The table of coefficients: in original units they predict what the pipeline predicts."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from malsar_py import (
    JointFeatureRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    MixedEffectsRegressor,
    SeparableKernelRegressor,
    keep_tasks,
)
from malsar_py.inspection import bootstrap, coefficient_table
from malsar_py.model_selection import MultiTaskSearchCV

COLUMNS = ["age", "dose", "size"]


def simulated(n=40):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3)) * [1.0, 10.0, 100.0] + [5.0, -20.0, 300.0]
    y = X @ [1.0, -0.1, 0.02] + rng.standard_normal(n)
    return pd.DataFrame(X, columns=COLUMNS), y, np.repeat(["a", "b"], n // 2)


def by_task(table, X, tasks, column="original"):
    """Predictions from the rows of a table."""
    out = np.empty(len(X))
    for task, rows in table.groupby("task"):
        w = rows.set_index("feature")[column]
        own = tasks == task
        out[own] = w["(intercept)"] + X[own] @ w[COLUMNS].to_numpy()
    return out


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler((-1, 3)),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_centering=False),
        make_pipeline(StandardScaler(), "passthrough", MinMaxScaler()),
        ColumnTransformer(
            [("x", RobustScaler(), [0, 2]), ("y", "passthrough", [1])],
            verbose_feature_names_out=False,
        ),
    ],
    ids=lambda scaler: type(scaler).__name__,
)
def test_original_units_predict_the_same(scaler):
    X, y, tasks = simulated()
    table = X.assign(school=tasks)
    model = make_pipeline(
        keep_tasks(scaler, task_column="school"),
        MeanRegularizedRegressor(lambda1=0.5, lambda2=0.1, task_column="school"),
    ).fit(table, y)
    found = coefficient_table(model)
    columns = ["task", "feature", "coefficient", "lower", "upper", "original"]
    assert list(found) == [*columns, "original_lower", "original_upper"]
    assert_allclose(by_task(found, X.to_numpy(), tasks), model.predict(table))
    # The same from a model fitted to scaled features, given the scaler.
    one = MeanRegularizedRegressor(lambda1=0.5, lambda2=0.1)
    scaled = scaler.fit(X).transform(X)
    one.fit(scaled, y, tasks=tasks)
    if not isinstance(scaler, ColumnTransformer):  # which changes the order of the columns
        apart = coefficient_table(one, scaler=scaler).assign(feature=found["feature"])
        assert_allclose(by_task(apart, X.to_numpy(), tasks), one.predict(scaled, tasks=tasks))
    assert list(coefficient_table(one)) == columns[:-1]


def test_searches_and_other_steps():
    X, y, tasks = simulated()
    table = X.assign(sex=np.where(np.arange(40) % 3, "f", "m"), school=tasks)
    steps = ColumnTransformer(
        [
            ("numbers", StandardScaler(), COLUMNS),
            ("sex", OneHotEncoder(sparse_output=False), ["sex"]),
        ],
        verbose_feature_names_out=False,
    )
    model = make_pipeline(keep_tasks(steps, "school"), JointFeatureRegressor(task_column="school"))
    search = MultiTaskSearchCV(model, lambda1=[0.01, 0.1], cv=2).fit(table, y)
    found = coefficient_table(search)
    assert found["feature"].tolist()[:6] == ["(intercept)", *COLUMNS, "sex_f", "sex_m"]
    own = found[found["task"] == "b"].set_index("feature")
    assert_array_equal(own.loc[["sex_f", "sex_m"], "original"], own["coefficient"][-2:])
    scale = steps.fit(table).named_transformers_["numbers"].scale_
    assert_allclose(own.loc[COLUMNS, "original"], own.loc[COLUMNS, "coefficient"] / scale)
    # Of what a step makes of features, its features are the originals.
    made = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler(),
        MeanRegularizedRegressor(lambda1=0.0, lambda2=0.1),
    )  # fmt: skip
    made.fit(X, y)
    found = coefficient_table(made)
    assert found["feature"].tolist()[1:] == made[:-2].get_feature_names_out().tolist()
    assert_allclose(found["original"][1:], found["coefficient"][1:] / made[-2].scale_)


def test_intervals():
    X, y, tasks = simulated()
    model = make_pipeline(StandardScaler(), MeanRegularizedRegressor(lambda1=0.3))
    drawn = bootstrap(model, X, y, tasks=tasks, n_resamples=20, random_state=0)
    found = coefficient_table(drawn, level=0.8)
    slopes = found[found["feature"] != "(intercept)"]
    lower, upper = drawn.coef_interval(0.8)
    assert_allclose(slopes["lower"], lower.ravel())
    scale = drawn.estimator[0].scale_
    assert_allclose(slopes["original_upper"], (upper / scale).ravel())
    inside = found["original_lower"].le(found["original"]) & found["original"].le(
        found["original_upper"]
    )
    assert inside.all()
    mixed = MixedEffectsRegressor(covariance="iso").fit(X, y, tasks=tasks)
    found = coefficient_table(mixed, scaler=StandardScaler().fit(X), level=0.5)
    slopes = found[found["feature"] != "(intercept)"]
    assert_allclose(slopes["lower"], mixed.coef_interval(0.5)[0].ravel())
    assert found[found["feature"] == "(intercept)"]["lower"].isna().all()


def test_classes_plain_fits_and_no_pandas(monkeypatch):
    X, y, tasks = simulated()
    classes = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    many = MeanRegularizedClassifier(lambda2=0.1).fit(X, classes, tasks=tasks)
    found = coefficient_table(many)
    assert list(found) == ["task", "class", "feature", "coefficient"]
    assert len(found) == 2 * 3 * 4
    cell = found.query("task == 'b' and `class` == 2").set_index("feature")["coefficient"]
    assert_array_equal(cell[COLUMNS], many.coef_[1, 2])
    assert cell["(intercept)"] == many.intercept_[1, 2]
    plain = MeanRegularizedRegressor(lambda1=0.0, fit_intercept=False).fit(X.to_numpy(), y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = coefficient_table(plain)
    assert isinstance(found, dict)
    assert found["feature"].tolist() == ["x0", "x1", "x2"]
    assert_array_equal(found["coefficient"], plain.coef_)


def test_what_is_refused():
    X, y, tasks = simulated()
    with pytest.raises(TypeError, match=r"expected a fitted model of this package with coef_"):
        coefficient_table(Ridge().fit(X, y))
    functions = SeparableKernelRegressor().fit(X, y, tasks=tasks)
    with pytest.raises(TypeError, match="with coef_"):
        coefficient_table(functions)
    model = MeanRegularizedRegressor().fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="StandardScaler was fitted to 2 features, but the model"):
        coefficient_table(model, scaler=StandardScaler().fit(X[["age", "dose"]]))
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\)"):
        coefficient_table(model, level=90)
