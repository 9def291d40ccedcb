"""`malsar_py.compare`: splits, choices, intervals, references; what is kept of the winner."""

from __future__ import annotations

import copy
import json
import os

import numpy as np
import pytest
from joblib import parallel_config
from scipy.stats import t as student
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss, mean_poisson_deviance, r2_score

import malsar_py
from malsar_py._compare import _candidates, _door, _run
from malsar_py._compare._measure import LOSSES, Measure
from malsar_py._compare._options import Options
from malsar_py._compare._result import BOOSTING, CHOSEN, DUMMIES, MEAN, POOLED, SINGLE
from malsar_py._compare._source import Source, splits
from malsar_py._compare._verdict import task_gains, verdict
from malsar_py._table import Asked, CompareError, exam_table, read_table
from malsar_py.models import MeanRegularizedRegressor

from .report_tables import few_settings, procedure

REFERENCES = [MEAN, POOLED, SINGLE, DUMMIES, BOOSTING]


@pytest.fixture
def quick():
    with few_settings():
        yield


def frame_of(n_tasks=4, n_rows=15, seed=0, *, shared=1.0, own=0.5, levels=1.0, noise=0.3):
    """Rows of linear tasks: what they share, what is their own, their intercepts."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("skrub")
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(n_tasks), n_rows)
    X = rng.standard_normal((n_tasks * n_rows, 3))
    W = shared * rng.choice([-1.0, 1.0], 3) + own * rng.standard_normal((n_tasks, 3))
    y = (X * W[tasks]).sum(axis=1) + levels * rng.standard_normal(n_tasks)[tasks]
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame.insert(0, "y", y + noise * rng.standard_normal(len(y)))
    frame.insert(0, "task", [f"t{t}" for t in tasks])
    return frame


def compared(frame, **options):
    given = {"task": "task", "target": "y", "models": ["MeanRegularized"], "repeats": 1}
    return malsar_py.compare(frame, **{**given, **options})


# --- splits --------------------------------------------------------------------------------------


def test_each_row_is_tested_once_and_every_task_trains():
    table = exam_table()
    found = splits(table, np.arange(4059), 5, 0)
    tested = np.concatenate([test for _, test in found])
    assert len(found) == 5 and len(np.unique(tested)) == len(tested) == 4059
    for train, test in found:
        assert not np.intersect1d(train, test).size
        assert len(np.unique(table.codes[train])) == 65
    again = splits(table, np.arange(4059), 5, 1)
    assert not np.array_equal(found[0][1], again[0][1])


def test_splits_of_times_groups_and_tasks():
    frame = frame_of(4, 15)
    rng = np.random.default_rng(0)
    frame["year"] = np.tile(np.arange(2000, 2015), 4)
    frame["who"] = rng.choice(list("uvwxyz"), len(frame))
    rows = np.arange(60)
    table = read_table(frame, Asked("task", "y", time="year"))
    found = splits(table, rows, 5, 0)
    for train, test in found:
        assert frame["year"][train].max() < frame["year"][test].min()
    assert len(np.concatenate([test for _, test in found])) == 32  # from the middle on
    table = read_table(frame, Asked("task", "y", group="who"))
    assert "who" not in table.names
    for train, test in splits(table, rows, 5, 0):
        assert not set(frame["who"][train]) & set(frame["who"][test])
    for train, test in splits(table, rows, 4, 0, new_tasks=False):
        assert set(frame["task"][test]) <= set(frame["task"][train])
    table = read_table(frame, Asked("task", "y"))
    for train, test in splits(table, rows, 5, 0, new_tasks=True):
        assert not set(frame["task"][train]) & set(frame["task"][test])


def test_repeats_deal_the_rows_again():
    table = exam_table()
    outer = _door._outer(table, Options(repeats=7, n_rows=4059))
    assert len(outer) == 7
    assert not np.array_equal(outer[0][1], outer[5][1])


def test_nothing_is_learned_from_test_rows():
    """Medians, categories, scales: other test rows, and the training rows look as before."""
    frame = frame_of()
    frame.loc[::6, "a"] = np.nan
    frame["kind"] = np.resize(["p", "q", "r"], len(frame))
    table = read_table(frame, Asked("task", "y"))
    train, test = splits(table, np.arange(60), 5, 0)[0]
    changed = frame.copy()
    changed.loc[test, ["a", "b"]] = [1e6, -1e6]
    changed.loc[test, "kind"] = "new"
    other = read_table(changed, Asked("task", "y"))
    one, two = (Source(t).encoded(train)[train] for t in (table, other))
    np.testing.assert_array_equal(one, two)


# --- what is measured ----------------------------------------------------------------------------


def test_measures_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.poisson(3.0, 40).astype(float), rng.uniform(1, 5, 40)
    codes = np.repeat([0, 1, 3], [10, 20, 10])
    squared, poisson = Measure("squared"), Measure("poisson")
    tasks = squared.of_tasks(squared.of_rows(y, p), codes, 4)
    assert tasks[0] == pytest.approx(np.sqrt(np.mean((y - p)[:10] ** 2))) and np.isnan(tasks[2])
    assert squared.second_of(y, p) == pytest.approx(r2_score(y, p))
    assert poisson.of_rows(y, p).mean() == pytest.approx(mean_poisson_deviance(y, p))
    P = rng.dirichlet(np.ones(3), 40)
    classes = rng.integers(0, 3, 40).astype(float)
    assert Measure("logistic", 3).of_rows(classes, P).mean() == pytest.approx(log_loss(classes, P))
    two = (classes > 0).astype(float)
    logistic = Measure("logistic", 2)
    assert logistic.of_rows(two, P[:, 0]).mean() == pytest.approx(log_loss(two, P[:, 0]))
    assert logistic.second_of(two, P[:, 0]) == np.mean((P[:, 0] > 0.5) == two)
    assert set(LOSSES) == {"squared", "huber", "quantile", "poisson", "gamma"}


def test_intervals_know_that_training_rows_are_shared():
    reference, sharing = [1.0, 1.2, 0.9, 1.1], [0.8, 1.1, 0.8, 0.8]
    outer = [(np.arange(30), np.arange(10))] * 4
    found = verdict(procedure("s", sharing), procedure("r", reference), outer)
    d = np.subtract(reference, sharing)
    reach = student.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 3) * d.var(ddof=1))
    np.testing.assert_allclose(
        [found.difference, found.low, found.high], d.mean() + reach * np.array([0.0, -1.0, 1.0])
    )
    assert found.clear == ("better" if d.mean() > reach else "")
    few = verdict(procedure("s", sharing[:2]), procedure("r", reference[:2]), outer[:2])
    assert np.isnan(few.low) and few.clear == ""


def test_gains_and_losses_by_hand():
    """Four tasks: a clear gain, a loss by one odd row, a clear loss, and one without test rows."""
    codes = np.repeat([0, 1, 2], 4)
    single = np.array([2.0, 2.1, 1.9, 2.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.4, 0.5, 0.6]) ** 2
    shared = np.array([0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 3.0, 1.0, 1.1, 1.0, 0.9]) ** 2
    sizes, labels = np.array([6, 6, 7, 1]), ["a", "b", "c", "d"]
    rows = task_gains(labels, sizes, codes, single, single, shared, Measure("squared"))
    assert [(r.task, r.n, r.n_test, r.flag, r.clear) for r in rows] == [
        ("a", 6, 4, "", True),
        ("c", 7, 4, "HURTS", True),
        ("b", 6, 4, "hurts", False),
    ]
    # Rows of one group count once: c's four are two, too few for an interval.
    units = np.repeat(np.arange(6), 2)
    rows_of_groups = task_gains(
        labels, sizes, codes, single, single, shared, Measure("squared"), units=units
    )
    assert [(r.gain, r.n_test) for r in rows_of_groups] == [(r.gain, r.n_test) for r in rows]
    assert all(np.isnan(r.low) and r.flag != "HURTS" for r in rows_of_groups)
    before, after = np.sqrt(single[8:].mean()), np.sqrt(shared[8:].mean())
    assert rows[1].gain == pytest.approx(before - after)
    d = (single[8:] - before**2) / (2 * before) - (shared[8:] - after**2) / (2 * after)
    reach = student.ppf(0.975, 3) * d.std(ddof=1) / 2.0
    assert rows[1].high - rows[1].gain == pytest.approx(reach)


# --- the comparison ------------------------------------------------------------------------------


def reference_of_scikit_learn(Z, y, codes, train, test, parameters, name):
    """The references once more: predictions of the test rows."""
    if name == MEAN:
        return np.full(len(test), y[train].mean())
    if name == BOOSTING:
        few = codes.max() < 255
        trees = HistGradientBoostingRegressor(
            max_iter=parameters["trees"],
            max_leaf_nodes=8,
            min_samples_leaf=min(20, max(2, len(train) // 20)),
            categorical_features=[0] if few else None,
            early_stopping=False,
            random_state=0,
        )
        X = np.column_stack([codes, Z])
        return trees.fit(X[train], y[train]).predict(X[test])
    strength = parameters["lambda2"]
    if name == SINGLE:
        p = np.empty(len(test))
        for t in np.unique(codes[test]):
            a, b = train[codes[train] == t], codes[test] == t
            p[b] = Ridge(alpha=len(a) * strength).fit(Z[a], y[a]).predict(Z[test[b]])
        return p
    X = Z if name == POOLED else np.column_stack([np.eye(codes.max() + 1)[codes], Z])
    return Ridge(alpha=len(train) * strength).fit(X[train], y[train]).predict(X[test])


def check_scores(found, table, rel):
    """Scores of the references are those of scikit-learn's predictions, split by split."""
    outer = _door._outer(table, Options(repeats=found.settings["repeats"], n_rows=len(table.y)))
    for name in REFERENCES:
        for k, (train, test) in enumerate(outer):
            Z = table.features.fit(table.take(train)).transform(table.X)
            parameters = found[name].parameters[k]
            p = reference_of_scikit_learn(Z, table.y, table.codes, train, test, parameters, name)
            n = np.bincount(table.codes[test])
            sums = np.bincount(table.codes[test], weights=(table.y[test] - p) ** 2)
            score = np.sqrt(sums[n > 0] / n[n > 0]).mean()
            assert found[name].scores[k] == pytest.approx(score, rel=rel), name


def test_references_are_those_of_scikit_learn(quick):
    frame = frame_of()
    found = compared(frame, models=["MixedEffects"], repeats=2)
    check_scores(found, read_table(frame, Asked("task", "y")), 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "task", "target"),
    [
        ("radon.csv", "county.name", "log.radon"),
        ("rd_sleepstudy.csv", "Subject", "Reaction"),
        ("gapminder.csv", "country", "lifeExp"),
        ("exam", "school", "normexam"),
    ],
)
def test_references_on_public_tables(shared_dir, file, task, target):
    path = None if file == "exam" else shared_dir / "cases" / "tables" / file
    if path is not None and not path.is_file():
        pytest.skip(f"no {file}")
    table = exam_table() if path is None else read_table(path, Asked(task, target))
    asked = {} if path is None else {"task": task, "target": target}
    found = malsar_py.compare(path, **asked, models=["MixedEffects"], repeats=2)
    check_scores(found, table, 1e-5)


def test_what_is_found(quick):
    frame = frame_of()
    found = compared(frame, models=["MeanRegularized", "Lasso"], repeats=5)
    names = [row.name for row in found.procedures]
    assert names == [*REFERENCES, "Lasso", "MeanRegularized", CHOSEN]
    assert found["Lasso"].kind == "separate"  # it couples no tasks
    np.testing.assert_array_equal(found[CHOSEN].scores, found["MeanRegularized"].scores)
    assert [v.reference for v in found.verdicts] == REFERENCES
    assert found.verdicts[0].clear == "better"  # than the mean
    assert found.winner.mean == min(row.mean for row in found.procedures)
    assert found.tasks == {f"t{t}": 15 for t in range(4)}
    assert sorted(gain.task for gain in found.gains) == ["t0", "t1", "t2", "t3"]
    assert sum(gain.n_test for gain in found.gains) == found.settings["n_tested"] == 60
    assert found["MeanRegularized"].relative_gap <= 1e-6 and found.linear.relative_gap_ <= 1e-6
    assert "sharing is clearly better than the mean alone" in found.text()
    assert "best: the smallest of 7 on the same test rows" in found.text()
    assert max(map(len, found.text(per_task=True).splitlines())) <= 100
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["winner"] == found.winner.name
    assert document["command"].startswith("python -m malsar_py compare TABLE.csv --task task")


def test_a_model_that_cannot_be_fitted_is_left_out(quick, monkeypatch):
    """And it is said; a reference is needed for the verdict."""
    fit = MeanRegularizedRegressor.fit

    def refuse(self, X, y, **given):
        if self.tol == type(self)().tol and self.lambda1 > 0.0:  # the final fit
            raise ValueError("floats do not hold it")
        return fit(self, X, y, **given)

    monkeypatch.setattr(MeanRegularizedRegressor, "fit", refuse)
    found = compared(frame_of(), models=["MeanRegularized", "JointFeature"], repeats=2)
    assert [row.name for row in found.procedures] == [*REFERENCES, "JointFeature", CHOSEN]
    assert "MeanRegularized is left out: floats do not hold it" in found.notes
    found = compared(frame_of())
    assert found.verdicts == [] and found.sharing is None and found.gains == []
    assert found.winner.kind == "reference" and found.text()
    monkeypatch.setattr(HistGradientBoostingRegressor, "fit", refuse_all)
    with pytest.raises(ValueError, match="trees do not grow"):
        compared(frame_of())


def refuse_all(self, X, y, **given):
    raise ValueError("trees do not grow")


def test_the_model_that_is_kept_reads_the_table(quick):
    frame = frame_of()
    frame.loc[::7, "a"] = np.nan
    frame["kind"] = np.resize(["p", "q", "r"], len(frame))
    found = compared(frame)
    assert found.inputs == ["task", "a", "b", "c", "kind"]
    pipeline = found.sharing_model
    again = copy.deepcopy(pipeline).fit(frame[found.inputs], frame["y"])
    given = frame[found.inputs].sample(frac=1.0, random_state=0)
    np.testing.assert_allclose(again.predict(given), pipeline.predict(given))
    assert isinstance(found.linear, MeanRegularizedRegressor)
    assert found.linear.tasks_.tolist() == ["t0", "t1", "t2", "t3"]
    given["task"] = "nobody"
    given["kind"] = None
    assert np.isfinite(pipeline.predict(given)).all()  # an unseen task, and a new category
    assert pipeline[0].get_feature_names_out()[1:].tolist()[:1] == ["a"]


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_what_tasks_have_in_common_is_held_where_counts_would_go_astray(loss):
    """Features that are nearly each other, and an exponential: never free."""
    frame = frame_of(4, 25)
    frame["y"] = np.random.default_rng(0).poisson(3.0, 100)
    for twice in (False, True):
        if twice:
            frame["c"] = frame["a"] + 1e-3 * frame["b"]
        table = read_table(frame, Asked("task", "y", loss=loss))
        source, measure = Source(table), Measure(loss)
        training = _run.train_on(source, np.arange(100), measure, Options(n_rows=100))
        held = _candidates.Family(training).held()
        assert (held[0] > 0.0) == (twice and loss == "poisson")


def test_classes(quick):
    frame = frame_of(3, 30)
    cut = np.digitize(frame["y"], np.quantile(frame["y"], [0.3, 0.7]))
    frame["y"] = np.array(["low", "mid", "high"])[cut]
    found = compared(frame, classify=True)
    assert (found.metric, found.second, found.classes) == (
        "log loss",
        "accuracy",
        ["high", "low", "mid"],
    )
    assert found[CHOSEN].mean < found[MEAN].mean
    assert set(found.model.predict(frame[found.inputs])) <= {"low", "mid", "high"}
    frame["y"] = frame["y"] == "low"
    two = compared(frame, classify=True, models=["JointFeature"])
    assert two.classes == ["False", "True"] and two["JointFeature"].second.mean() > 0.6


@pytest.mark.parametrize("loss", ["huber", "poisson"])
def test_losses(loss, quick):
    frame = frame_of()
    if loss == "poisson":
        frame["y"] = np.random.default_rng(0).poisson(np.exp(0.5 * frame["y"].clip(-3, 3)))
    found = compared(frame, loss=loss)
    assert found.metric == {"huber": "MAE", "poisson": "deviance"}[loss]
    assert found.second == "D2" and found[SINGLE].second.mean() > 0.0
    todo = _candidates.candidates(Measure(loss), new_tasks=False, only=None)
    assert "MixedEffects" not in [candidate.name for candidate in todo]  # likelihoods of squares


def test_tasks_without_any_count(quick):
    """Of nothing but 0, in the table or in a training part, a task has no logarithm of its mean."""
    frame = frame_of(6, 8)
    frame["y"] = np.random.default_rng(0).poisson(3.0, len(frame))
    frame.loc[frame["task"] == "t0", "y"] = 0
    rare = frame["task"] == "t1"
    frame.loc[rare, "y"] = [2, *[0] * 7]
    found = compared(frame, loss="poisson", repeats=5)
    assert found.left_out == {"t0": "counts of 0 only, 8 rows"}
    assert any(
        note.startswith("tasks with counts of 0 only are left out: t0") for note in found.notes
    )
    assert all(np.isfinite(row.scores).all() for row in found.procedures)


def test_tasks_of_two_rows():
    """One row to test and one to train: nothing is left to choose by."""
    frame = frame_of(20, 2)
    with pytest.raises(CompareError, match=r"--task task: .*three rows; --new-tasks holds whole"):
        compared(frame)


def test_more_features_than_rows_hold_the_common_part(quick):
    """Free, it would explain all rows, and leave nothing for the tasks to add."""
    frame = frame_of(4, 6)
    rng = np.random.default_rng(0)
    frame = frame.join(
        pytest.importorskip("pandas").DataFrame(
            rng.standard_normal((24, 30)), columns=[f"x{j}" for j in range(30)]
        )
    )
    found = compared(frame, models=["JointFeature"])
    chosen = found["JointFeature"].parameters[0]
    assert chosen["lambda2"] > 0.0 and chosen["lambda1"] > 1e-6


def test_new_tasks_times_and_jobs(quick):
    frame = frame_of(6, 12, levels=0.0)
    frame["when"] = np.tile(np.arange(12), 6)
    new = compared(frame, new_tasks=True)
    assert new.settings["split"] == "tasks" and new[CHOSEN].mean < new[MEAN].mean
    assert "whole tasks are held out" in new.text()
    with parallel_config("threading"):  # other processes would not be as quick
        alone, jobs = (compared(frame, time="when", n_jobs=n, repeats=2) for n in (None, 2))
    assert alone.settings["split"] == "time"
    for one, two in zip(alone.procedures, jobs.procedures, strict=True):
        np.testing.assert_allclose(one.scores, two.scores)


def test_unasked_are_the_quick_ones():
    def names(measure, only=None, **options):
        given = {"new_tasks": False, **options}
        found = _candidates.candidates(measure, only=only, **given)
        return [c.name for c in found[5:]], _candidates.untried(measure, only=only, **given)

    quick = ["Lasso", "MixedEffects", "MeanRegularized", "JointFeature", "TraceNorm"]
    slow = ["Graph (chain)", "Clustered", "Dirty", "RobustFeature"]
    squared = Measure("squared")
    assert names(squared) == ([*quick, "TaskRelationship"], slow)
    assert names(squared, new_tasks=True)[1] == slow[1:]  # a chain has no place for a new one
    assert names(Measure("logistic", 3)) == (
        ["Lasso", *quick[2:]],
        ["TaskRelationship", *slow],
    )
    every = Options(models=("all",)).only()
    assert names(squared, every) == ([*quick, "TaskRelationship", *slow], [])


def test_chosen_is_what_the_inner_folds_like_best():
    todo = _candidates.candidates(Measure("squared"), new_tasks=False, only=["Dirty", "TraceNorm"])
    assert [c.name for c in todo[-2:]] == ["TraceNorm", "Dirty"]

    def outcome(inner):
        empty = np.zeros(0)
        return _run.Outcome({}, frozenset(), inner, -inner, 0.0, empty, empty, np.nan, True, 0.0)

    found = [[outcome(9.0)] * 5 + [outcome(a), outcome(b)] for a, b in ((1, 2), (3, 2))]
    assert _run.chosen(todo, found) == [6, 5]  # the references do not count
    assert _run.procedures(todo, found)[-1].scores.tolist() == [-2.0, -3.0]


def test_the_command_of_python_words(quick):
    with pytest.raises(CompareError, match="--models: no 'Trace'; there are MixedEffects, Mean"):
        malsar_py.compare(models=["Trace"])
    with pytest.raises(ValueError, match="--loss: no 'l1'; there are squared, huber"):
        compared(frame_of(), loss="l1")
    with pytest.raises(ValueError, match="--repeats must be at least 1"):
        compared(frame_of(), repeats=0)
    with pytest.raises(ValueError, match="say which columns"):
        malsar_py.compare(frame_of())


# --- planted truths ------------------------------------------------------------------------------


# MALSAR_PY_SEEDS=50 is what the rates were measured with.
SEEDS = int(os.environ.get("MALSAR_PY_SEEDS", "12"))
# Every second value of the grids.
COARSE = {
    "folds": 3,
    "n_lambdas": 6,
    "ridge": (1e2, 10.0, 1.0, 0.1, 1e-2, 1e-4),
    "beside": (3.0, 0.1, 3e-3, 1e-4),
    "trees": (5, 20),
}


def rate(truth, **planted):
    """Share of the seeds in which something is true of a comparison."""
    options = {"models": ["MixedEffects", "MeanRegularized", "JointFeature"], "repeats": 5}
    frames = (frame_of(8, 15, 1000 + seed, **planted) for seed in range(SEEDS))
    with few_settings(**COARSE):
        return np.mean([truth(compared(frame, **options)) for frame in frames])


@pytest.mark.slow
def test_a_target_that_is_independent_of_the_features():
    """Nothing is clearly better than the mean."""

    def wrong(found):
        return found.verdicts[0].clear == "better"

    assert rate(wrong, shared=0.0, own=0.0, levels=0.0, noise=1.0) <= 0.1


@pytest.mark.slow
def test_a_strong_common_model():
    def right(found):
        return found.winner.name in (POOLED, DUMMIES) or found.winner.kind == "sharing"

    assert rate(right, shared=1.0, own=0.0, levels=0.0, noise=1.0) >= 0.95


@pytest.mark.slow
def test_unrelated_tasks():
    def wrong(found):
        return found.verdicts[REFERENCES.index(SINGLE)].clear == "better"

    assert rate(wrong, shared=0.0, own=1.0, levels=3.0, noise=0.5) <= 0.1
