"""Models in files without code: every estimator comes back, and nothing else is ever made."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import malsar_py
from malsar_py import graphs, keep_tasks, penalties, persistence
from malsar_py.model_selection import TaskKFold

from .problems import ESTIMATORS, data_for, ids, ragged

skops_io = pytest.importorskip("skops.io", reason="skops (extra table) is not installed")

OTHERS = [
    malsar_py.MixedEffectsRegressor(),
    malsar_py.MixedEffectsRegressor(covariance="full"),
    malsar_py.MultiStageRegressor(),
    malsar_py.MultiLevelLassoRegressor(),
    malsar_py.NonconvexFusedRegressor(),
    malsar_py.NonconvexFusedClassifier(),
    malsar_py.MultiStageClassifier(),
    malsar_py.MultiLevelLassoClassifier(),
    malsar_py.DistributionMatchingRegressor(),
    malsar_py.DistributionMatchingClassifier(),
    malsar_py.SeparableKernelRegressor(),
    malsar_py.MultiTaskGLM(penalty=2.0 * (penalties.RowL2() + penalties.Graph("chain", 0.5))),
    malsar_py.GraphRegressor(graph=graphs.adjacency(np.ones((4, 4)) - np.eye(4))),
    malsar_py.GraphRegressor(graph=[("a", "b"), ("c", "d")]),
    malsar_py.MeanRegularizedRegressor(
        loss={"a": "huber", "b": "quantile", "c": "squared", "d": "squared"}
    ),
    malsar_py.JointFeatureRegressor(common=True, intercept_shrinkage="reml"),
]


def again(model, **options):
    """The model out of the file that it was written to."""
    file = io.BytesIO()
    persistence.dump(model, file, **options)
    return persistence.load(file, **options)


@pytest.mark.parametrize("model", ESTIMATORS + OTHERS, ids=ids(ESTIMATORS + OTHERS))
def test_every_estimator_comes_back_the_same(model):
    X, y, tasks = data_for(model)
    fitted = clone(model).set_params(tol=1e-3).fit(X, y, tasks=tasks)
    found = again(fitted)
    assert type(found) is type(fitted)
    assert_array_equal(found.predict(X, tasks=tasks), fitted.predict(X, tasks=tasks))
    assert set(vars(found)) == set(vars(fitted))
    if hasattr(fitted, "relative_gap_"):
        assert found.relative_gap_ == fitted.relative_gap_


def test_no_estimator_is_left_out():
    public = {
        thing.__name__
        for name in malsar_py.__all__
        if isinstance(thing := getattr(malsar_py, name), type) and issubclass(thing, BaseEstimator)
    }
    names = {name.rpartition(".")[2] for name in persistence.trusted_types()}
    assert public <= names
    elsewhere = {
        *(f"IncompleteMultiSource{kind}" for kind in ("Regressor", "Classifier")),
        "SharedSubspaceClustering",  # the two tests below
    }
    assert public - elsewhere == {type(model).__name__ for model in ESTIMATORS + OTHERS}


def test_patterns_of_sources_and_clusters_come_back():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    X[:20, :2] = X[40:, 2:] = np.nan
    y = rng.standard_normal(60)
    for model, target in (
        (malsar_py.IncompleteMultiSourceRegressor(sources=[[0, 1], [2, 3]]), y),
        (malsar_py.IncompleteMultiSourceClassifier(sources=[[0, 1], [2, 3]]), y > 0),
    ):
        fitted = model.fit(X, target)
        assert_array_equal(again(fitted).predict(X), fitted.predict(X))
    X, _, tasks = ragged()
    clusters = malsar_py.SharedSubspaceClustering(random_state=0).fit(X, tasks=tasks)
    assert_array_equal(again(clusters).labels_, clusters.labels_)


def test_tables_with_texts_dates_and_holes():
    pd = pytest.importorskip("pandas")
    skrub = pytest.importorskip("skrub")
    from sklearn.impute import SimpleImputer

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "where": np.repeat(["x", "y", "z"], 30),
            "size": np.where(rng.random(90) < 0.1, np.nan, rng.standard_normal(90)),
            "colour": rng.choice(["red", "blue", "?"], 90),
            "day": pd.date_range("2020-01-01", periods=90).strftime("%Y-%m-%d"),
            "words": [f"word {i % 50} and {i}" for i in range(90)],
        }
    )
    y = frame["size"].fillna(0.0).to_numpy() + rng.standard_normal(90)
    columns = make_pipeline(
        skrub.TableVectorizer(), SimpleImputer(add_indicator=True), StandardScaler()
    )
    model = make_pipeline(
        keep_tasks(columns, task_column="where").set_output(transform="pandas"),
        malsar_py.MeanRegularizedRegressor(task_column=0),
    ).fit(frame, y)
    assert_array_equal(again(model).predict(frame), model.predict(frame))


def test_a_file_by_its_path(tmp_path):
    X, y, tasks = ragged()
    model = malsar_py.LassoRegressor().fit(X, y, tasks=tasks)
    persistence.dump(model, tmp_path / "model.skops")
    assert_array_equal(persistence.load(str(tmp_path / "model.skops")).coef_, model.coef_)


class Everything(penalties.Norm):
    """A penalty from outside the package."""

    def value(self, W):
        return self.lambda1 * float(np.linalg.norm(W))

    def prox(self, V, step):
        length, cut = float(np.linalg.norm(V)), step * self.lambda1
        return V * (1.0 - cut / length) if length > cut else np.zeros_like(V)

    def dual_norm(self, G):
        return float(np.linalg.norm(G))


def test_a_class_of_ones_own_needs_trust(tmp_path):
    X, y, tasks = ragged()
    model = malsar_py.MultiTaskGLM(penalty=Everything()).fit(X, y, tasks=tasks)
    path = tmp_path / "model.skops"
    with pytest.raises(ValueError, match=r"holds tests\.test_persistence\.Everything.*trusted="):
        persistence.dump(model, path)
    assert not path.exists()
    persistence.dump(model, path, trusted=[Everything])
    with pytest.raises(ValueError, match=r"names tests\.test_persistence\.Everything"):
        persistence.load(path)
    name = f"{__name__}.Everything"
    assert_array_equal(persistence.load(path, trusted=[name]).coef_, model.coef_)


def test_a_search_says_what_to_keep():
    X, y, tasks = ragged()
    X = np.column_stack([np.unique(tasks, return_inverse=True)[1], X])
    search = GridSearchCV(
        malsar_py.LassoRegressor(task_column=0),
        {"lambda1": [0.1, 1.0]},
        cv=TaskKFold(task_column=0),
    ).fit(X, y)
    with pytest.raises(ValueError, match="keep best_estimator_"):
        persistence.dump(search, io.BytesIO())
    assert_array_equal(again(search.best_estimator_).predict(X), search.predict(X))


# --- files that mean harm ------------------------------------------------------------------------


class Reduced:
    """Runs a command when it is unpickled."""

    def __init__(self, path=None):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class Awake(BaseEstimator):
    """Writes a file when it is made from a state."""

    def __setstate__(self, state):
        open(state["path"], "w").close()


def refused(data, match):
    with pytest.raises(ValueError, match=match):
        persistence.load(io.BytesIO(data))


def test_a_pickle_is_not_run(tmp_path):
    mark = tmp_path / "mark"
    refused(pickle.dumps(Reduced(mark)), "is no model kept by")
    assert not mark.exists()


def test_types_from_elsewhere_are_never_made(tmp_path):
    mark = tmp_path / "mark"
    awake = Awake()
    awake.path = str(mark)
    refused(skops_io.dumps(awake), r"names tests\.test_persistence\.Awake")
    run = make_pipeline(FunctionTransformer(os.system), Ridge())
    refused(skops_io.dumps(run), r"names (posix|nt)\.system")
    assert not mark.exists()


def rewritten(data, change):
    """The file with another schema."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                change(schema)
                content = json.dumps(schema).encode()
            new.writestr(name, content)
    return out.getvalue()


def nodes(schema):
    """All nodes of a schema, the outer ones first."""
    if isinstance(schema, dict):
        if "__loader__" in schema:
            yield schema
        for value in schema.values():
            yield from nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from nodes(value)


LOADERS = ["ObjectNode", "FunctionNode", "TypeNode", "ConstructorFromReduceNode", "MethodNode"]


@pytest.mark.parametrize("loader", LOADERS)
def test_a_file_that_was_tampered_with_imports_nothing(tmp_path, monkeypatch, loader):
    """Any node of a good file, made to name a module that would say that it was imported."""
    mark = tmp_path / "mark"
    (tmp_path / "evil_module.py").write_text(
        f"open({str(mark)!r}, 'w').close()\nclass Thing: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    X, y, tasks = ragged()
    data = skops_io.dumps(malsar_py.LassoRegressor().fit(X, y, tasks=tasks))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        n_nodes = len(list(nodes(json.loads(file.read("schema.json")))))
    refusals = 0
    for place in range(0, n_nodes, 7):

        def tamper(schema, place=place):
            node = list(nodes(schema))[place]
            node.update(__module__="evil_module", __class__="Thing", __loader__=loader)

        try:
            persistence.load(io.BytesIO(rewritten(data, tamper)))
        except ValueError as error:
            assert "evil_module" in str(error) or "is damaged" in str(error)
            refusals += 1
    # (Of objects that are there twice, what the second node says is not read.)
    assert refusals > n_nodes // 14
    assert "evil_module" not in sys.modules
    assert not mark.exists()


@pytest.mark.parametrize("keep", [0, 10, 200, -30])
def test_damaged_files(keep):
    X, y, tasks = ragged()
    data = skops_io.dumps(malsar_py.LassoRegressor().fit(X, y, tasks=tasks))
    refused(data[:keep], "is no model kept by|is damaged")


def test_a_zip_of_something_else():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("letter.txt", "hello")
    refused(out.getvalue(), "is damaged")


def test_the_names_of_skrub_are_those_of_the_installed_one():
    pytest.importorskip("skrub")
    import importlib

    for name in persistence._SKRUB:
        module, _, thing = name.rpartition(".")
        assert hasattr(importlib.import_module(module), thing), name


def test_skops_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r'pip install "malsar_py\[table\]"'):
        persistence.load(io.BytesIO(b""))
