"""The benchmark's judge and protocol; nothing here is timed or installed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import malsar_py
from malsar_py.solvers import active_set
from tests.benchmarks import constants, counts, gaps, peer_direct, report
from tests.benchmarks.environments import PEERS, InstallError
from tests.benchmarks.peer import OURS, load_peers, target_matrix
from tests.benchmarks.peer_malsar_py import coefficients, fit, prepare
from tests.benchmarks.problems import PROBLEMS, Problem, Target, finish, own_x, shared_x
from tests.benchmarks.processes import Session
from tests.benchmarks.protocol import Contest, Effort, Measurement, Tolerances, loosest_passing
from tests.benchmarks.regimes import ALL, one_task


def clustered(seed):
    data = own_x(seed, 12, 8, 6, 10) | {"penalty": "clustered", "lambda1": 0.3, "k": 2}
    return finish(data | {"lambda2": 0.2})


def by_size(seed):
    """Every sample counts the same; tasks of different lengths."""
    data = own_x(seed, 15, 6, 4, 5)
    sizes = np.array([15, 9, 21, 15])
    data["offsets"] = np.append(0, np.cumsum(sizes))
    return finish(data | {"task_weight": "size", "c": np.full(60, 4 / 60)}, 5)


RECIPES = {
    "raw": lambda seed: shared_x(seed, 20, 30, 5, 10, raw=True, order="F"),
    "own lasso": lambda seed: own_x(seed, 12, 30, 4, 10, penalty="l1"),
    "mean": lambda seed: own_x(seed, 12, 8, 4, 10, penalty="mean"),
    "chain": lambda seed: own_x(seed, 12, 8, 4, 10, penalty="chain"),
    "elastic net": lambda seed: one_task(seed, 20, 30, 10, ridge_share=0.1),
    "one logistic": lambda seed: one_task(seed, 40, 30, 10, logistic=True),
    "shared": lambda seed: shared_x(seed, 20, 30, 5, 10),
    "trace": lambda seed: shared_x(seed, 20, 12, 5, 10, rank=2),
    "own": lambda seed: own_x(seed, 12, 30, 4, 10),
    "by size": by_size,
    "logistic": lambda seed: own_x(seed, 25, 15, 3, 10, logistic=True),
    "clustered": clustered,
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("tol", [1e-2, 1e-5])
def test_judge_agrees_with_the_certificate(recipe, tol):
    problem = prepare(RECIPES[recipe](0))
    model = fit(problem, tol)
    gap = gaps.relative_gap(RECIPES[recipe](0), coefficients(problem, model))
    assert gap == pytest.approx(model.relative_gap_, rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("penalty", ["mean", "chain"])
def test_systems_by_hand_are_those_of_the_models(penalty):
    data = own_x(0, 6, 8, 12, 10, penalty=penalty)
    W = peer_direct.fit(peer_direct.prepare(data), 0.0)
    assert abs(gaps.relative_gap(data, W)) < 1e-13
    problem = prepare(data)
    np.testing.assert_allclose(W, coefficients(problem, fit(problem, 1e-10)), atol=1e-9)


def test_judge_sees_what_is_wrong():
    data = shared_x(0, 20, 30, 5, 10)
    W = coefficients(None, fit(prepare(data), 1e-8))
    assert gaps.relative_gap(data, W) <= 1e-8
    assert gaps.relative_gap(data, 1.1 * W) > 1e-4
    assert gaps.relative_gap(data, np.zeros_like(W)) > 1e-2
    assert gaps.relative_gap(data, np.full_like(W, np.nan)) == np.inf


def test_zero_is_optimal_at_lambda_max():
    for recipe in ("shared", "trace", "own", "logistic"):
        data = RECIPES[recipe](1)
        data["lambda1"] = gaps.lambda_max(data)
        W = np.zeros((data["X"].shape[1], len(data["offsets"]) - 1))
        assert abs(gaps.relative_gap(data, W)) < 1e-14


def test_target_matrix_is_in_the_order_of_the_samples():
    data = shared_x(0, 7, 3, 2, 10)
    Y = target_matrix(data)
    assert Y.shape == (7, 2)
    model = malsar_py.JointFeatureRegressor(fit_intercept=False).fit(data["X"], Y)
    np.testing.assert_allclose(
        gaps.predict(data, model.coef_.T), model.predict(data["X"]).T.ravel()
    )


@pytest.mark.parametrize("start", [0, 3, 9])
@pytest.mark.parametrize("first_passing", [0, 4, 9])
def test_search_finds_the_loosest(start, first_passing):
    asked = []

    def passes(i):
        asked.append(i)
        return i >= first_passing

    assert loosest_passing(10, start, passes) == first_passing
    assert len(asked) == len(set(asked)) <= 7


def test_search_gives_up():
    assert loosest_passing(10, 5, lambda i: False) is None
    assert loosest_passing(10, 5, lambda i: None) is None
    # Tolerances from 3 on pass, but from 4 on they take too long.
    assert loosest_passing(10, 6, lambda i: None if i >= 4 else i >= 3) == 3


def test_contest_reports_every_peer(tmp_path, monkeypatch):
    def refuse(requirements):
        if requirements is not None:
            raise InstallError("no such package")
        return sys.executable

    monkeypatch.setattr("tests.benchmarks.processes.interpreter", refuse)
    chosen = [peer for peer in load_peers() if peer.name in ("celer", "numpy FISTA")]
    tiny = Problem(
        "tiny", "shared l21", "", lambda seed: shared_x(seed, 20, 30, 5, 10), (Target(2),)
    )
    with Session(chosen) as session:
        effort = Effort(cap=60.0, budget=0.0, fewest=3)
        measured = Contest(session, effort, Tolerances(tmp_path / "found.json")).run(tiny, 0)
        text = report.speed_tables([tiny], measured, session, effort)
    celer, fista = measured
    assert (celer.peer, celer.state) == ("celer", "not installed: no such package")
    assert fista.state == "ok" and fista.gap <= 1e-6 and len(fista.seconds) == 3
    assert fista.threads == 1
    assert "not installed: no such package" in text
    assert Tolerances(tmp_path / "found.json").start("tiny", chosen[1]) == (0, True)


def test_pieces_of_one_commit_are_kept(tmp_path, monkeypatch):
    path = tmp_path / "kept.json"
    one = Measurement("small /10", 0, OURS, seconds=[0.1], gap=np.inf)
    with Session([]) as session:
        report.Kept(path).add([one], session)
    again = report.Kept(path)
    assert again.has("small /10", 0) and not again.has("small /10", 1)
    assert again.measured[0].seconds == [0.1]
    monkeypatch.setattr(report, "_commit", lambda: "another")
    assert not report.Kept(path).measured


def test_ratios():
    def of(peer, seconds, state="ok"):
        return Measurement("small /10", 0, peer, state, seconds=[seconds])

    measured = [of(OURS, 1.0), of("celer", 4.0), of("skglm", 3.0), of("adelie", 0.1, "over 60 s")]
    (found,) = report.ratios(PROBLEMS[:1], measured)
    assert found.ratios == [3.0] and found.met


def test_results_keep_what_is_written_by_hand(tmp_path):
    path = tmp_path / "RESULTS.md"
    report.write_section("speed", "Speed", "first", path)
    path.write_text(path.read_text() + "\nA note.\n")
    report.write_section("speed", "Speed", "second \\1", path)
    text = path.read_text()
    assert "first" not in text and "second \\1" in text and text.endswith("\nA note.\n")


def test_every_peer_has_its_requirements():
    for peer in load_peers():
        assert peer.requirements is None or (PEERS / f"{peer.requirements}.txt").is_file()


def test_help():
    result = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--help"],
        cwd=PEERS.parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--quick" in result.stdout


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("norm", ["l1", "l21", ""])
def test_the_judge_of_counts_and_classes(norm, classes):
    """At our fits it is the gap that these promise, and nowhere negative."""
    data = counts.simulated(norm, 2, 40, 12, classes)
    W = counts._malsar_py(data, "auto")(1e-9)
    assert -1e-12 <= counts.gap(data, W) <= 2e-9
    rng = np.random.default_rng(0)
    for size in (0.01, 0.3):
        assert counts.gap(data, W + size * rng.standard_normal(W.shape)) > 1e-6


def test_tuned_constants_are_there():
    """Numbers of their modules, and problems that exist."""
    names = {problem.name for problem in ALL}
    for tuned in constants.TUNED:
        assert isinstance(tuned.value, (int, float)) and tuned.value > 0, tuned
        assert tuned.problems and names.issuperset(tuned.problems), tuned


def test_other_values_of_a_constant_are_timed(monkeypatch):
    tuned = constants.Tuned("solvers.active_set", "_FIRST_SET", ("small /10",))
    before = active_set._FIRST_SET
    monkeypatch.setattr(constants, "_BUDGET", 0.01)
    times = constants.sensitivity(tuned, "small /10")
    assert len(times) == len(constants.FACTORS) and min(times) > 0.0
    assert before == active_set._FIRST_SET
