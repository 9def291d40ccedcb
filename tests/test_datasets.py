"""Shipped and simulated data."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from malsar_py import graphs
from malsar_py.datasets import (
    _files,
    load_exam,
    load_school_splits,
    make_clustered,
    make_graph,
    make_joint_feature,
    make_low_rank,
)

MAKERS = [make_joint_feature, make_low_rank, make_clustered, make_graph]

# ------------------------------------------------------------------------------------------- Exam


def test_exam_arrays():
    exam = load_exam()
    assert exam.data.shape == (4059, 15)
    assert exam.data.dtype == exam.target.dtype == np.float64
    assert exam.data.flags.c_contiguous
    assert np.isfinite(exam.data).all()
    assert_array_equal(np.unique(exam.tasks), np.arange(1, 66))
    assert np.bincount(exam.tasks)[1:].min() == 2
    assert exam.feature_names == [
        *("schgend=boys", "schgend=girls", "schgend=mixed", "schavg"),
        *("vr=bottom 25%", "vr=mid 50%", "vr=top 25%"),
        *("intake=bottom 25%", "intake=mid 50%", "intake=top 25%"),
        *("standLRT", "sex=F", "sex=M", "type=Mxd", "type=Sngl"),
    ]
    assert exam.target_names == ["normexam"]
    assert exam.frame is None
    assert "Goldstein" in exam.DESCR
    assert exam.filename.endswith("exam.csv")


def test_exam_encoding_agrees_with_the_file():
    exam = load_exam()
    with open(exam.filename, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, column in zip(exam.feature_names, exam.data.T, strict=True):
        variable, _, level = name.partition("=")
        expected = [float(row[variable] == level if level else row[variable]) for row in rows]
        assert_array_equal(column, expected, err_msg=name)
    assert_array_equal(exam.target, [float(row["normexam"]) for row in rows])
    assert_array_equal(exam.tasks, [int(row["school"]) for row in rows])


def test_exam_says_that_the_labels_of_intake_are_reversed():
    exam = load_exam(as_frame=True)
    means = exam.frame.groupby("intake")[["standLRT", "normexam"]].mean()
    assert (means.diff().dropna() < 0.0).all(axis=None)
    words = " ".join(exam.DESCR.split())
    top, bottom = (means.loc[level].round(2).tolist() for level in ("bottom 25%", "top 25%"))
    assert f"a mean standLRT of {top[0]} and a mean normexam of {top[1]}" in words
    assert f'marked "top 25%" {bottom[0]} and {bottom[1]}' in words
    # The school's band is what it says.
    by_school = exam.frame.groupby("vr")[["schavg", "standLRT", "normexam"]].mean()
    assert (by_school.diff().dropna() > 0.0).all(axis=None)
    assert (exam.frame.groupby("school")["vr"].nunique() == 1).all()


def test_exam_frame():
    arrays, exam = load_exam(), load_exam(as_frame=True)
    assert list(exam.data) == ["school", *arrays.feature_names]
    assert exam.feature_names == arrays.feature_names
    assert_array_equal(exam.data["school"], arrays.tasks)
    assert_array_equal(exam.data.drop(columns="school"), arrays.data)
    assert (exam.data.drop(columns="school").dtypes == np.float64).all()
    assert exam.target.name == "normexam"
    assert_array_equal(exam.target, arrays.target)
    assert_array_equal(exam.tasks, arrays.tasks)
    raw = pd.read_csv(exam.filename)
    pd.testing.assert_frame_equal(exam.frame, raw, check_dtype=False)


def test_exam_return_x_y():
    data, target = load_exam(return_X_y=True)
    assert_array_equal(data, load_exam().data)
    assert_array_equal(target, load_exam().target)
    data, target = load_exam(return_X_y=True, as_frame=True)
    assert isinstance(data, pd.DataFrame)
    assert isinstance(target, pd.Series)


def test_exam_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert load_exam().data.shape == (4059, 15)
    with pytest.raises(ImportError, match=r"load_exam with as_frame=True requires pandas\."):
        load_exam(as_frame=True)


def test_exam_is_found_inside_the_package_first(monkeypatch, tmp_path):
    with open(load_exam().filename, encoding="utf-8") as file:
        lines = file.readlines()
    package = tmp_path / "malsar_py"
    package.mkdir()
    monkeypatch.setattr(_files, "__file__", str(package / "datasets" / "_files.py"))
    with pytest.raises(FileNotFoundError, match=r"data/exam\.csv is neither in .* nor in"):
        load_exam()
    for n_rows, folder in ((10, tmp_path), (20, package)):
        (folder / "data").mkdir()
        (folder / "data" / "exam.csv").write_text("".join(lines[: n_rows + 1]), encoding="utf-8")
        assert len(load_exam().target) == n_rows


# ----------------------------------------------------------------------------------- School splits


def test_school_splits():
    splits = load_school_splits()
    assert len(splits) == 10
    for train, test in splits:
        assert len(train) == 11521
        assert (np.diff(train) > 0).all()
        assert (np.diff(test) > 0).all()
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(15362))
    assert len({tuple(train) for train, _ in splits}) == 10


# -------------------------------------------------------------------------------------- Simulators


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("classification", [False, True])
def test_simulator_shapes(make, classification):
    X, y, tasks, W = make(6, (3, 9), 12, classification=classification, coef=True, random_state=1)
    counts = np.bincount(tasks)
    assert X.shape == (len(y), 12)
    assert tasks.shape == y.shape
    assert W.shape == (6, 12)
    assert (np.diff(tasks) >= 0).all()
    assert counts.min() >= 3
    assert counts.max() <= 9
    assert len(set(counts)) > 1
    if classification:
        assert y.dtype.kind == "i"
        assert all(set(y[tasks == t]) == {0, 1} for t in range(6))
    again = make(6, (3, 9), 12, classification=classification, random_state=1)
    assert len(again) == 3
    for one, two in zip((X, y, tasks), again, strict=True):
        assert_array_equal(one, two)
    other = make(6, (3, 9), 12, classification=classification, random_state=2)
    assert other[0].shape != X.shape or not np.array_equal(other[0], X)


@pytest.mark.parametrize("make", MAKERS)
def test_simulated_targets_follow_the_coefficients(make):
    X, y, tasks, W = make(n_samples=20, noise=0.0, coef=True, random_state=0)
    assert_allclose(y, (X * W[tasks]).sum(axis=1), atol=1e-12)
    X, y, tasks, W = make(5, 4000, noise=0.5, coef=True, random_state=0)
    assert (y - (X * W[tasks]).sum(axis=1)).std() == pytest.approx(0.5, rel=0.05)
    X, y, tasks, W = make(5, 4000, classification=True, coef=True, random_state=0)
    expected = expit((X * W[tasks]).sum(axis=1))
    assert abs((y - expected).mean()) < 0.02
    assert ((y - expected) ** 2).mean() == pytest.approx(
        (expected * (1 - expected)).mean(), rel=0.1
    )


@pytest.mark.parametrize("n_samples", [[4, 1, 7], np.array([4, 1, 7]), (4, 1, 7)])
def test_rows_of_each_task(n_samples):
    assert_array_equal(np.bincount(make_low_rank(3, n_samples)[2]), [4, 1, 7])


def test_a_tuple_of_two_is_a_range():
    counts = np.bincount(make_low_rank(200, (2, 4), 3, random_state=0)[2])
    assert set(counts) == {2, 3, 4}
    assert_array_equal(np.bincount(make_low_rank(2, [2, 4])[2]), [2, 4])


def test_joint_feature_support():
    W = make_joint_feature(7, n_features=30, n_informative=4, coef=True, random_state=0)[3]
    used = (W != 0).any(axis=0)
    assert used.sum() == 4
    assert (W[:, used] != 0).all()


def test_low_rank_rank():
    W = make_low_rank(9, n_features=11, rank=4, coef=True, random_state=0)[3]
    assert np.linalg.matrix_rank(W) == 4


def test_clusters():
    W = make_clustered(9, n_features=20, n_clusters=3, n_common=2, coef=True, random_state=0)[3]
    assert (W[:, 18:] != 0).all()
    for t, s in np.ndindex(9, 9):
        same = t % 3 == s % 3
        assert np.array_equal(W[t, :18] != 0, W[s, :18] != 0) == same
        assert (np.linalg.norm(W[t] - W[s]) < 5) == same
    equal = make_clustered(4, task_std=0.0, coef=True, random_state=0)[3]
    assert_array_equal(equal[0], equal[2])


def test_graph_smoothness():
    def roughness(**options):
        W = make_graph(8, n_features=2000, coef=True, random_state=0, **options)[3]
        return np.trace(W.T @ graphs.to_laplacian(options.get("graph", "chain"), range(8)) @ W)

    assert roughness(smoothness=0.0) > 10 * roughness() > 100 * roughness(smoothness=1000.0)
    # E tr(W' L W) = d sum_i lambda_i / (1 + smoothness lambda_i)
    values = np.linalg.eigvalsh(graphs.to_laplacian("complete", range(8)))
    expected = 2000 * (values / (1 + 10.0 * values)).sum()
    assert roughness(graph="complete") == pytest.approx(expected, rel=0.05)
    edges = [(0, 1), (2, 3)]
    W = make_graph(4, graph=edges, smoothness=1e12, coef=True, random_state=0)[3]
    assert_allclose(W[[0, 2]], W[[1, 3]], atol=1e-4)
    assert abs(W[0] - W[2]).max() > 0.1


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (make_low_rank, {"n_samples": 0}, ValueError, "n_samples must be at least 1"),
        (make_low_rank, {"n_samples": [3] * 9 + [0]}, ValueError, "n_samples must be at least 1"),
        (make_low_rank, {"n_samples": [3, 4]}, ValueError, r"shape \(2,\), but n_tasks=10"),
        (make_low_rank, {"n_samples": (4, 2)}, ValueError, "high == 2, must be >= 4"),
        (make_low_rank, {"n_samples": 2.5}, TypeError, "n_samples must be made of integers"),
        (make_low_rank, {"n_tasks": 0}, ValueError, "n_tasks == 0, must be >= 1"),
        (make_low_rank, {"n_features": 2.0}, TypeError, "n_features must be an instance of int"),
        (make_low_rank, {"rank": 11}, ValueError, "rank == 11, must be <= 10"),
        (make_low_rank, {"noise": -1}, ValueError, "noise == -1, must be >= 0"),
        (make_joint_feature, {"n_informative": 21}, ValueError, "n_informative == 21"),
        (make_clustered, {"n_clusters": 11}, ValueError, "n_clusters == 11, must be <= 10"),
        (make_clustered, {"n_common": 20}, ValueError, "n_common == 20, must be <= 19"),
        (make_clustered, {"task_std": -1}, ValueError, "task_std == -1"),
        (make_graph, {"smoothness": -1}, ValueError, "smoothness == -1"),
        (make_graph, {"graph": np.eye(3)}, ValueError, "graph has 3 tasks"),
    ],
)
def test_simulators_refuse(make, options, error, message):
    with pytest.raises(error, match=message):
        make(**options)
