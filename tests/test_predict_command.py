"""`compare --save` and `predict`: the same predictions, whatever the order of the columns."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose

import malsar_py
from malsar_py.__main__ import main

from .report_tables import comparison, few_settings, write_table
from .test_persistence import Reduced

pd = pytest.importorskip("pandas", reason="pandas (extra table) is not installed")
pytest.importorskip("skops", reason="skops (extra table) is not installed")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return comparison(tmp_path_factory.getbasetemp() / "shops.csv")


@pytest.fixture(scope="module")
def model(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "model.skops"
    found.save(path)
    return path


@pytest.fixture
def new(tmp_path):
    """Rows that the model has not seen."""
    return pd.read_csv(write_table(tmp_path / "new.csv", seed=1)).drop(columns=["nr", "sales"])


def run(capsys, *arguments, code=0):
    assert main(["predict", *map(str, arguments)]) == code
    out, err = capsys.readouterr()
    return (pd.read_csv(io.StringIO(out)) if code == 0 and out else None), err


def written(frame, tmp_path, name="rows.csv", **options):
    path = tmp_path / name
    frame.to_csv(path, index=False, **options)
    return path


def test_the_same_as_in_python(found, model, new, tmp_path, capsys):
    table, err = run(capsys, model, written(new, tmp_path))
    expected = found.model.predict(new[found.inputs])
    assert_allclose(table["prediction"], expected, rtol=1e-12)
    assert list(table.columns) == ["row", "shop", "prediction"]
    assert list(table["row"]) == list(range(1, len(new) + 1))
    assert list(table["shop"]) == list(new["shop"])
    assert err == ""


def test_columns_in_any_order_and_more_of_them(model, new, tmp_path, capsys):
    first, _ = run(capsys, model, written(new, tmp_path))
    other = new[new.columns[::-1]].assign(remark="x")
    again, err = run(capsys, model, written(other, tmp_path, "other.csv", sep=";"))
    pd.testing.assert_frame_equal(first, again)
    assert "does not use: remark" in err


def test_missing_values_and_unknown_tasks_and_categories(model, new, tmp_path, capsys):
    rows = new.head(4).copy()
    rows.loc[0, ["size", "price"]] = np.nan
    rows.loc[1, "colour"] = "violet"
    rows.loc[2, "shop"] = "new shop"
    rows.loc[3, "day"] = None
    table, err = run(capsys, model, written(rows, tmp_path))
    assert np.isfinite(table["prediction"]).all()
    assert "tasks that training did not have" in err and "new shop (rows: 1)" in err


def test_intervals_hold_what_they_say(found, model, new, tmp_path, capsys):
    path = tmp_path / "more.csv"
    truth = pd.read_csv(write_table(path, seed=2))["sales"].to_numpy()
    for level in (0.5, 0.95):
        table, _ = run(capsys, model, path, "--intervals", "--level", level)
        assert (table["low"] < table["prediction"]).all()
        covered = ((table["low"] <= truth) & (truth <= table["high"])).mean()
        # 120 rows: two standard errors and a half.
        assert abs(covered - level) < 2.5 * np.sqrt(level * (1 - level) / len(truth)) + 0.03


def test_errors_of_unseen_rows_make_intervals():
    """Split conformal: the share of new errors below the quantile is the level, on average."""
    from malsar_py._saved import LEVELS, _errors, _quantile

    rng = np.random.default_rng(0)
    shares = [
        (np.abs(rng.standard_normal(200)) <= _quantile(np.abs(rng.standard_normal(40)), 0.9)).mean()
        for _ in range(300)
    ]
    assert abs(np.mean(shares) - 0.9) < 0.01

    class Unseen:
        tasks = np.repeat(np.array(["a", "b"], dtype=object), [400, 10])
        y = np.concatenate([rng.standard_normal(400), 10.0 * rng.standard_normal(10)])
        prediction = np.zeros(410)

    every, own = _errors(Unseen, "squared")
    assert np.all(np.diff(every) > 0) and len(every) == len(LEVELS)
    assert 1.8 < own["a"][LEVELS.index(0.95)] < 2.2
    assert np.isnan(own["b"][LEVELS.index(0.95)]) and own["b"][0] > 3.0


def test_to_a_file(model, new, tmp_path, capsys):
    out = tmp_path / "out.csv"
    table, err = run(capsys, model, written(new, tmp_path), "--output", out)
    assert table is None and "120 rows predicted by" in err
    assert len(pd.read_csv(out)) == 120
    _, err = run(capsys, model, written(new, tmp_path), "--output", tmp_path / "no" / "x", code=2)
    assert "--output" in err


def test_all_that_is_wrong_in_one_line(model, new, tmp_path, capsys):
    _, err = run(capsys, model, written(new.drop(columns=["size", "day"]), tmp_path), code=2)
    assert err.count("\n") == 1 and "lacks 2 of the columns" in err
    assert "'size', 'day'" in err
    rows = new.head(5).astype({"size": object})
    rows.loc[:, "size"] = "large"
    rows.loc[2, "shop"] = None
    _, err = run(capsys, model, written(rows, tmp_path), code=2)
    assert "the task (shop) is missing in row 3" in err
    assert "column 'size' held numbers when the model was fitted; here 'large' is in row 1" in err


def test_files_that_are_no_models(new, tmp_path, capsys):
    rows = written(new, tmp_path)
    mark = tmp_path / "mark"
    bad = tmp_path / "bad.skops"
    bad.write_bytes(pickle.dumps(Reduced(mark)))
    _, err = run(capsys, bad, rows, code=2)
    assert "is no model kept by" in err and not mark.exists()
    _, err = run(capsys, tmp_path / "none.skops", rows, code=2)
    assert "none.skops: No such file" in err
    import skops.io

    skops.io.dump({"model": [1, 2]}, bad)
    _, err = run(capsys, bad, rows, code=2)
    assert "holds no model of compare --save" in err


@pytest.mark.thorough
def test_classes(tmp_path_factory, tmp_path, capsys):
    found = comparison(tmp_path_factory.getbasetemp() / "classes.csv", classify=True)
    path = tmp_path / "classes.skops"
    found.save(path)
    rows = write_table(tmp_path / "new.csv", classify=True, seed=1)
    table, _ = run(capsys, path, rows)
    assert set(table["prediction"]) == {"few", "many"}
    assert_allclose(table["P(few)"] + table["P(many)"], 1.0)
    likely = np.where(table["P(few)"] > 0.5, "few", "many")
    assert (table["prediction"] == likely).all()
    _, err = run(capsys, path, rows, "--intervals", code=2)
    assert "probability of each class" in err


def test_trees_are_not_kept(found, tmp_path):
    """Where gradient boosting wins, the best sharing model is kept and named."""
    from dataclasses import replace

    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import Pipeline

    trees = HistGradientBoostingRegressor(max_iter=2).fit([[0.0], [1.0]] * 20, [0.0, 1.0] * 20)
    won = replace(
        found,
        model=Pipeline([("columns", "passthrough"), ("model", trees)]),
        winner=found["gradient boosting"],
    )
    assert won.save(tmp_path / "model.skops") == found.sharing.name
    with pytest.raises(ValueError, match="cannot be kept"):
        replace(won, sharing=None, sharing_model=None).save(tmp_path / "model.skops")


def test_labels_and_dates_as_they_are_written(tmp_path, capsys):
    """ "07" stays a name, and days in words are read as at training, also if those were dates."""
    rng = np.random.default_rng(0)
    days = rng.permutation(pd.date_range("2020-01-01", periods=60, freq="9D"))
    frame = pd.DataFrame({"shop": np.resize(["07", "08", "none"], 60), "day": days})
    frame["y"] = frame["day"].dt.month + 0.1 * rng.standard_normal(60)
    text = frame.assign(day=frame["day"].dt.strftime("%d-%b-%y"))
    path = tmp_path / "kept.skops"
    for given in (frame, text):
        with few_settings():
            found = malsar_py.compare(
                given, task="shop", target="y", models=["MixedEffects"], repeats=1
            )
        found.save(path)
        table, err = run(capsys, path, written(text, tmp_path))
        model = found.model if found.winner is found.sharing else found.sharing_model
        assert_allclose(table["prediction"], model.predict(given[found.inputs]), rtol=1e-12)
        assert "training did not have" not in err


def test_numbers_as_labels_of_tasks():
    from malsar_py._predict import _labels
    from malsar_py._saved import Saved

    fields = dict.fromkeys(Saved.__dataclass_fields__)
    saved = Saved(**{**fields, "inputs": ["t"], "kinds": {"t": "number"}, "tasks": ["1", "2.5"]})
    labels = _labels(saved, np.array(["2.5", "7", "1", "new", "7"], dtype=object))
    assert list(labels[[0, 2]]) == [2.5, 1.0]
    assert labels[1] == labels[4] and not set(labels[[1, 3]]) & {1.0, 2.5}
    assert labels[1] != labels[3]
