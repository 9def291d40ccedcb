"""The real files of ``../shared/data``, where they are: what each fetcher makes of them."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
import scipy.io
from numpy.testing import assert_allclose, assert_array_equal

from malsar_py import MeanRegularizedClassifier, MeanRegularizedRegressor, datasets
from malsar_py.datasets import _files, _registry

# fetcher -> (shape of data, number of tasks, least and largest number of rows of a task)
SHAPES = {
    "fetch_school": ((15362, 28), 139, (22, 251)),
    "fetch_landmine": ((14820, 9), 29, (445, 690)),
    "fetch_computer_survey": ((3800, 13), 190, (20, 20)),
    "fetch_sarcos_subset": ((6228, 21), 7, (841, 946)),
    "fetch_parkinsons": ((5875, 19), 42, (101, 168)),
    "fetch_oasis_longitudinal": ((371, 7), 5, (6, 150)),
    "fetch_newsgroups_pairs": ((3702, 2000), 2, (1827, 1875)),
}


@pytest.fixture(autouse=True)
def own(shared_dir, monkeypatch):
    """The folder is the user's; nothing may be downloaded."""
    monkeypatch.setenv("MALSAR_PY_DATA", str(shared_dir / "data"))
    monkeypatch.setitem(sys.modules, "pooch", None)


# A file among the tables of the cases, under another name.
GROUSE = "grouseticks.csv"


@pytest.fixture
def grouse(shared_dir, tmp_path, monkeypatch):
    shutil.copy(shared_dir / "cases" / "tables" / f"rd_{GROUSE}", tmp_path / GROUSE)
    monkeypatch.setenv("MALSAR_PY_DATA", str(tmp_path))
    return datasets.fetch_grouseticks()


def test_grouseticks(grouse):
    assert grouse.data.shape == (403, 3)
    assert grouse.feature_names == ["HEIGHT", "year=96", "year=97"]
    assert_array_equal(np.unique(grouse.tasks), np.arange(1, 64))
    assert (grouse.target.min(), grouse.target.max()) == (0.0, 85.0)
    places = [np.unique(grouse.data[grouse.tasks == t, 0]) for t in range(1, 64)]
    assert all(len(heights) == 1 for heights in places)
    broods = [np.unique(grouse.tasks[grouse.groups == b]) for b in np.unique(grouse.groups)]
    assert len(broods) == 118
    assert all(len(tasks) == 1 for tasks in broods)


@pytest.mark.parametrize("name", sorted(set(_registry.REMOTE) - {GROUSE}))
def test_hashes(name, shared_dir):
    """Fetching checks the SHA-256."""
    assert _files.fetch(name, None) == shared_dir / "data" / name


@pytest.mark.parametrize("fetcher", SHAPES)
def test_shapes(fetcher):
    shape, n_tasks, n_rows = SHAPES[fetcher]
    bunch = getattr(datasets, fetcher)()
    assert bunch.data.shape == shape
    tasks, counts = np.unique(bunch.tasks, return_counts=True)
    assert_array_equal(tasks, np.arange(1, n_tasks + 1))
    assert (counts.min(), counts.max()) == n_rows
    assert np.isfinite(bunch.target).all()
    missing = np.isnan(bunch.data).any(axis=0)
    assert [bunch.feature_names[j] for j in np.flatnonzero(missing)] == (
        ["SES"] if fetcher == "fetch_oasis_longitudinal" else []
    )


def test_school():
    school = datasets.fetch_school()
    assert (np.diff(school.tasks) >= 0).all()
    assert (school.target.min(), school.target.max()) == (1, 70)
    assert_array_equal(school.data[:, 27], 1.0)
    assert school.feature_names[-1] == "x27"


def test_shipped_splits_are_the_published_masks(shared_dir):
    with np.load(shared_dir / "data" / "school_splits10_squall1988.npz") as file:
        masks = file["train_mask"]
    tasks = datasets.fetch_school().tasks
    shares = []
    for (train, test), mask in zip(datasets.load_school_splits(), masks, strict=True):
        assert_array_equal(train, np.flatnonzero(mask))
        assert_array_equal(test, np.flatnonzero(~mask))
        shares.append(np.bincount(tasks[train])[1:] / np.bincount(tasks)[1:])
    # what the docstring says
    assert (round(100 * np.min(shares)), round(100 * np.max(shares))) == (52, 93)


def test_landmine_has_904_mines():
    target = datasets.fetch_landmine().target
    assert_array_equal(np.bincount(target), [14820 - 904, 904])


def test_survey_attributes():
    """The paper's persons like memory, speed and a CD-ROM, and dislike a high price."""
    survey = datasets.fetch_computer_survey()
    X = survey.data[:20]
    assert_array_equal(survey.data, np.tile(X, (190, 1)))
    assert set(X.ravel()) == {-1.0, 1.0}
    assert set(survey.target) == set(range(11))
    Y = survey.target.reshape(190, 20).T
    effect = np.linalg.lstsq(np.column_stack([np.ones(20), X]), Y, rcond=None)[0][1:].mean(axis=1)
    order = [survey.feature_names[j] for j in np.argsort(effect)]
    assert order[0] == "price"
    assert set(order[-3:]) == {"ram", "cpu_speed", "cd_rom"}


@pytest.mark.parametrize("pair", ["comp.vs.sci", "rec.vs.talk"])
def test_newsgroups(pair, shared_dir):
    news = datasets.fetch_newsgroups_pairs(pair)
    for t in (1, 2):
        file = scipy.io.loadmat(shared_dir / "data" / "newsgroup" / f"{pair}.task{t}.mat")
        assert_array_equal(news.data[news.tasks == t], file["fea"].toarray())
        assert_array_equal(news.target[news.tasks == t], file["gnd"].ravel())
    assert set(news.target) == {1, 2}
    assert (news.data.sum(axis=1) > 0).all()


def test_parkinsons_and_oasis_agree_with_pandas():
    pd = pytest.importorskip("pandas")
    for fetch, delimiter in (
        (datasets.fetch_parkinsons, "\t"),
        (datasets.fetch_oasis_longitudinal, ","),
    ):
        bunch = fetch(as_frame=True)
        raw = pd.read_csv(bunch.filename, sep=delimiter)
        pd.testing.assert_frame_equal(bunch.frame, raw, check_dtype=False)
    own = datasets.fetch_oasis_longitudinal(features="visit", as_frame=True).data
    first = datasets.fetch_oasis_longitudinal(as_frame=True).data
    at_first = raw["Visit"] == 1
    pd.testing.assert_frame_equal(own[at_first], first[at_first])
    assert (own["Age"] - first["Age"])[~at_first].gt(0).mean() > 0.9


def test_gdsc():
    gdsc = datasets.fetch_gdsc()
    assert gdsc.data.shape == (988, 678)
    assert gdsc.target.shape == (988, 265)
    assert gdsc.tasks.shape == (265,)
    assert set(gdsc.data.ravel()) == {0.0, 1.0}
    assert round(100 * np.isnan(gdsc.target).mean()) == 18
    assert len(set(gdsc.index)) == len(gdsc.groups) == 988
    pd = pytest.importorskip("pandas")
    genes, response = (pd.read_csv(name).set_index("COSMIC_ID") for name in gdsc.filename)
    assert_array_equal(gdsc.index, genes.index)
    assert_array_equal(gdsc.groups, genes["TISSUE_FACTOR"])
    assert_array_equal(gdsc.data, genes.drop(columns="TISSUE_FACTOR"))
    assert_allclose(gdsc.target, response.loc[genes.index], rtol=1e-15)


@pytest.mark.parametrize("fetcher", [name for name in SHAPES if name != "fetch_newsgroups_pairs"])
def test_models_take_the_frames(fetcher):
    """``task_column=bunch.task_name`` and the keyword ``tasks=`` are the same fit."""
    pytest.importorskip("pandas")
    frames, arrays = (getattr(datasets, fetcher)(as_frame=as_frame) for as_frame in (True, False))
    kept = [j for j, name in enumerate(arrays.feature_names) if name != "SES"]
    Model = MeanRegularizedClassifier if fetcher == "fetch_landmine" else MeanRegularizedRegressor
    model = Model(lambda1=1.0, lambda2=1e-2, task_column=frames.task_name)
    model.fit(frames.data.drop(columns="SES", errors="ignore"), frames.target)
    same = Model(lambda1=1.0, lambda2=1e-2).fit(
        arrays.data[:, kept], arrays.target, tasks=arrays.tasks
    )
    assert_allclose(model.coef_, same.coef_, rtol=1e-9, atol=1e-9)
    assert list(model.tasks_) == list(np.unique(arrays.tasks))
    assert list(model.feature_names_in_) == [
        frames.task_name,
        *(arrays.feature_names[j] for j in kept),
    ]


def test_models_take_columns_with_missing_targets():
    gdsc = datasets.fetch_gdsc()
    target = gdsc.target[:, :5]
    assert np.isnan(target).any(axis=0).all()
    model = MeanRegularizedRegressor(lambda1=1.0, lambda2=1.0).fit(gdsc.data, target)
    assert model.coef_.shape == (5, 678)
    assert np.isfinite(model.coef_).all()
