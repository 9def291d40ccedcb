"""Transformers that leave the label column alone."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from malsar_py._keep_tasks import KeepTasks, keep_tasks

RNG = np.random.default_rng(0)
N = 30
A = RNG.normal(3.0, 2.0, size=(N, 2))
SCHOOL = RNG.choice(["north", "south", "west"], N)
SCALED = StandardScaler().fit_transform(A)
FRAME = pd.DataFrame(
    {"a": A[:, 0], "school": pd.Categorical(SCHOOL), "b": A[:, 1]},
    index=np.arange(N) + 100,
)
Y = RNG.normal(size=N)


@pytest.mark.parametrize("column", ["school", 1, -2])
def test_pandas_in_pandas_out(column):
    keeper = keep_tasks(StandardScaler(), column)
    out = keeper.fit_transform(FRAME)
    assert out.columns.tolist() == ["school", "a", "b"]
    pd.testing.assert_series_equal(out["school"], FRAME["school"])
    np.testing.assert_allclose(out[["a", "b"]], SCALED)
    pd.testing.assert_frame_equal(keeper.transform(FRAME), out)
    pd.testing.assert_frame_equal(clone(keeper).fit(FRAME).transform(FRAME), out)
    assert keeper.get_feature_names_out().tolist() == ["school", "a", "b"]
    assert keeper.n_features_in_ == 3
    assert keeper.feature_names_in_.tolist() == ["a", "school", "b"]
    np.testing.assert_allclose(keeper.transformer_.mean_, A.mean(axis=0))


@pytest.mark.parametrize("dtype", ["string", object, "category"])
def test_label_keeps_its_pandas_type(dtype):
    frame = FRAME.astype({"school": dtype})
    assert keep_tasks(StandardScaler(), "school").fit_transform(frame).dtypes["school"] == dtype


def test_polars_in_polars_out():
    frame = pl.DataFrame({"a": A[:, 0], "school": SCHOOL, "b": A[:, 1]})
    out = keep_tasks(StandardScaler(), "school").fit_transform(frame)
    assert isinstance(out, pl.DataFrame)
    assert out.columns == ["school", "a", "b"]
    assert out["school"].to_list() == SCHOOL.tolist()


def test_numeric_array():
    X = np.insert(A, 2, np.arange(N) % 3, axis=1)
    for Z in (X, X.astype(object), X.tolist()):
        out = keep_tasks(StandardScaler(), -1).fit_transform(Z)
        assert out.dtype == np.float64
        np.testing.assert_allclose(out, np.c_[X[:, 2], SCALED])


def test_string_labels_give_objects():
    X = np.insert(A.astype(object), 1, SCHOOL, axis=1)
    for Z in (X, X.tolist(), X.astype(str)):
        keeper = keep_tasks(StandardScaler(), 1).fit(Z)
        out = keeper.transform(Z)
        assert out.dtype == object
        assert out[:, 0].tolist() == SCHOOL.tolist()
        np.testing.assert_allclose(out[:, 1:].astype(float), SCALED)
    assert keep_tasks("passthrough").fit_transform([["7", 1.0]]).dtype == object


def test_transformer_may_add_and_encode_columns():
    frame = FRAME.assign(sex=RNG.choice(["f", "m"], N))
    inner = ColumnTransformer(
        [("x", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(sparse_output=False), ["sex"])],
        verbose_feature_names_out=False,
    )
    out = keep_tasks(inner, "school").fit_transform(frame)
    assert out.columns.tolist() == ["school", "a", "b", "sex_f", "sex_m"]
    X = np.c_[np.arange(N) % 3, np.arange(N) % 4]
    dense = keep_tasks(OneHotEncoder()).fit_transform(X)
    assert dense.shape == (N, 5)
    assert isinstance(dense, np.ndarray)
    assert keep_tasks(PolynomialFeatures(2)).fit_transform(np.c_[X[:, :1], A]).shape == (N, 7)
    to_words = FunctionTransformer(lambda X: np.full(X.shape, "word", dtype=object))
    assert keep_tasks(to_words).fit_transform(X).tolist()[1] == [1, "word"]


class CrossFitted(TransformerMixin, BaseEstimator):
    """Like a target encoder: transforms the rows it is fitted on in another way, and needs y."""

    def fit(self, X, y):
        self.shift_ = y.mean()
        return self

    def transform(self, X):
        return X + self.shift_

    def fit_transform(self, X, y):
        return self.fit(X, y).transform(X) + 1.0


def test_fit_transform_is_the_transformers_own():
    X = np.c_[np.arange(N) % 2, A]
    keeper = keep_tasks(CrossFitted())
    np.testing.assert_allclose(keeper.fit_transform(X, Y)[:, 1:], A + Y.mean() + 1.0)
    np.testing.assert_allclose(keeper.transform(X)[:, 1:], A + Y.mean())


def test_the_transformer_given_is_not_touched():
    scaler = StandardScaler()
    keep_tasks(scaler, "school").fit(FRAME)
    assert not hasattr(scaler, "mean_")
    assert not hasattr(scaler, "_sklearn_output_config")


def test_params_clone_pickle():
    keeper = keep_tasks(StandardScaler(), "school")
    assert isinstance(keeper, KeepTasks)
    assert keeper.get_params()["transformer__with_mean"] is True
    keeper.set_params(transformer__with_mean=False)
    keeper = clone(keeper).fit(FRAME)
    assert keeper.transformer_.mean_ is None or keeper.transformer_.with_mean is False
    again = pickle.loads(pickle.dumps(keeper))
    pd.testing.assert_frame_equal(again.transform(FRAME), keeper.transform(FRAME))
    assert "KeepTasks(task_column='school'" in repr(keeper)


def test_set_output():
    X = np.c_[np.arange(N) % 3, A]
    with config_context(transform_output="pandas"):
        out = keep_tasks(StandardScaler()).fit_transform(X)
    assert out.columns.tolist() == ["x0", "x1", "x2"]
    assert isinstance(
        keep_tasks(StandardScaler()).set_output(transform="polars").fit_transform(X), pl.DataFrame
    )


class TaskMeans(RegressorMixin, BaseEstimator):
    """Mean of y by label; refuses labels that it does not know."""

    def __init__(self, task_column=0, shift=0.0):
        self.task_column = task_column
        self.shift = shift

    def _labels(self, X):
        return (X[self.task_column] if hasattr(X, "columns") else X[:, self.task_column]).tolist()

    def fit(self, X, y):
        labels = self._labels(X)
        self.means_ = {v: np.mean(y[[u == v for u in labels]]) for v in set(labels)}
        return self

    def predict(self, X):
        return np.array([self.means_[label] for label in self._labels(X)]) + self.shift


@pytest.mark.parametrize("X", [FRAME, FRAME.to_numpy()], ids=["frame", "objects"])
def test_in_a_searched_pipeline(X):
    last = TaskMeans("school" if X is FRAME else 0)
    pipe = make_pipeline(keep_tasks(StandardScaler(), 1), last)
    grid = {"keeptasks__transformer__with_mean": [True, False], "taskmeans__shift": [0.0, 1.0]}
    search = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(X, Y)
    assert search.best_params_["taskmeans__shift"] == 0.0
    assert set(search.best_estimator_[-1].means_) == {"north", "south", "west"}
    assert cross_val_predict(pipe, X, Y, cv=3).shape == (N,)
    with config_context(enable_metadata_routing=True):
        pipe.fit(X, Y)


def test_refusals():
    with pytest.raises(NotFittedError):
        keep_tasks(StandardScaler()).transform(A)
    with pytest.raises(NotFittedError):
        keep_tasks(StandardScaler()).get_feature_names_out()
    with pytest.raises(ValueError, match="task_column=2 is out of range"):
        keep_tasks(StandardScaler(), 2).fit(A)
    with pytest.raises(ValueError, match="'school' is a column name"):
        keep_tasks(StandardScaler(), "school").fit(A)
    with pytest.raises(ValueError, match="n_features=1"):
        keep_tasks(StandardScaler()).fit(A[:, :1])
    with pytest.raises(TypeError, match="Sparse"):
        keep_tasks(StandardScaler()).fit(sparse.csr_array(A))
    with pytest.raises(ValueError, match="task_column=0 contains NaN"):
        keep_tasks(StandardScaler()).fit([["a", 1.0], [None, 2.0]])
    keeper = keep_tasks(StandardScaler(), "school").fit(FRAME)
    with pytest.raises(ValueError, match="same order"):
        keeper.transform(FRAME[["b", "school", "a"]])
    with pytest.raises(ValueError, match="X has 2 features"):
        keep_tasks(StandardScaler()).fit(np.c_[A, A]).transform(A)
