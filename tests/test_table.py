"""Reading any table: files and frames, what becomes of columns, all faults in one message."""

from __future__ import annotations

import bz2
import gzip
import lzma

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("skrub")

from malsar_py._table import Asked, CompareError, exam_table, read_frame, read_table  # noqa: E402

ASKED = Asked("task", "y")


def rows_of(n_tasks=3, n_rows=8, seed=0):
    """A small frame with a number and a category as features."""
    rng = np.random.default_rng(seed)
    n = n_tasks * n_rows
    return pd.DataFrame(
        {
            "task": np.repeat([f"t{i}" for i in range(n_tasks)], n_rows),
            "y": rng.standard_normal(n).round(4),
            "size": rng.standard_normal(n).round(4),
            "colour": rng.choice(["red", "green", "blue"], n),
        }
    )


def csv(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def roles(table):
    return {c.name: (c.role, c.kind) for c in table.columns}


# --- files and frames ----------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_encodings(tmp_path, separator, encoding):
    text = rows_of().to_csv(index=False, sep=separator)
    table = read_table(csv(tmp_path, text, encoding=encoding), ASKED)
    assert table.names == ["size", "colour"] and len(table.y) == 24
    np.testing.assert_array_equal(table.y, rows_of()["y"])


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_line_ends(tmp_path, end):
    text = rows_of().to_csv(index=False).replace("\n", end)
    assert len(read_table(csv(tmp_path, text), ASKED).y) == 24


def test_quotation_marks_hide_separators(tmp_path):
    text = rows_of().to_csv(index=False, sep=";").replace("size", '"size, in m, of all"')
    text = text.replace("red", '"red, green; and ""both""\nof them"')
    table = read_table(csv(tmp_path, text), ASKED)
    assert table.names == ["size, in m, of all", "colour"] and len(table.y) == 24
    assert 'red, green; and "both"\nof them' in set(table.X["colour"])


ABOVE = {
    "Excel": "sep=;\n",
    "title": "Sales, in 2023\n\n",
    "comments": "# made by hand, twice\n# yes\n",
}


@pytest.mark.parametrize("which", ABOVE)
def test_lines_above_the_names(tmp_path, which):
    text = rows_of().to_csv(index=False, sep=";", decimal=",")
    table = read_table(csv(tmp_path, ABOVE[which] + text, encoding="utf-8-sig"), ASKED)
    np.testing.assert_array_equal(table.y, rows_of()["y"])
    first = ABOVE[which].split("\n")[0]
    assert [n for n in table.notes if "above the names" in n] == (
        []
        if which == "Excel"
        else [f"what is above the names of the columns is skipped (lines: 2): {first}"]
    )


@pytest.mark.parametrize("separator", [",", " ", "\t"])
def test_rows_with_names_as_r_writes_them(tmp_path, separator):
    """The first line has one cell less; a separator at the end of each row is no name."""
    lines = rows_of().to_csv(index=False, sep=separator).splitlines()
    named = [lines[0], *(f'"{i}"{separator}{line}' for i, line in enumerate(lines[1:], 1))]
    table = read_table(csv(tmp_path, "\n".join(named)), ASKED)
    np.testing.assert_array_equal(table.y, rows_of()["y"])
    assert roles(table)["row names"] == ("set aside", "row number")
    if separator != " ":
        ended = [lines[0], *(line + separator for line in lines[1:])]
        table = read_table(csv(tmp_path, "\n".join(ended)), ASKED)
        np.testing.assert_array_equal(table.y, rows_of()["y"])
        assert table.names == ["size", "colour"]


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files(tmp_path, packed):
    path = csv(tmp_path, packed(rows_of().to_csv(index=False).encode()))
    np.testing.assert_array_equal(read_table(path, ASKED).y, rows_of()["y"])


def test_an_index_with_a_name_is_a_column():
    table = read_table(rows_of().set_index("task"), ASKED)
    assert table.n_tasks == 3 and table.names == ["size", "colour"]


def test_labels_are_names(tmp_path):
    """Of tasks and classes nothing is lost that is no number, and "07" is not 7."""
    frame = rows_of(4, 6)
    frame["task"] = np.repeat(["07", "08", "10", "head office"], 6)
    frame["kind"] = np.resize(["none", "-", "some", "N/A"], 24)
    path = csv(tmp_path, frame.to_csv(index=False))
    assert read_table(path, ASKED).task_names == ["07", "08", "10", "head office"]
    table = read_table(path, Asked("task", "kind", classify=True))
    assert table.classes.tolist() == ["-", "none", "some"] and len(table.y) == 18
    frame["task"] = np.repeat(["7", "8.0", "10", "-1"], 6)
    assert read_table(frame, ASKED).task_names == ["-1", "7", "8", "10"]
    frame["task"] = np.repeat(["7 km", "8 km", "10 km", "5 m"], 6)
    assert read_table(frame, ASKED).task_names == ["10 km", "5 m", "7 km", "8 km"]


def test_windows_text_is_read_and_noted(tmp_path):
    text = rows_of().to_csv(index=False).replace("size", "Größe").replace("red", "café")
    table = read_table(csv(tmp_path, text, encoding="latin-1"), ASKED)
    assert "Größe" in table.names and "café" in set(table.X["colour"])
    assert any("read as Windows-1252; --encoding names another" in note for note in table.notes)
    path = csv(tmp_path, rows_of().to_csv(index=False).replace("red", "год"), encoding="koi8-r")
    assert "год" in set(read_table(path, ASKED, encoding="koi8-r").X["colour"])
    with pytest.raises(CompareError, match="--encoding wrong: "):
        read_table(path, ASKED, encoding="wrong")


def test_other_frames_and_parquet(tmp_path):
    frame, expected = rows_of(), read_table(rows_of(), ASKED)
    pyarrow = pytest.importorskip("pyarrow")
    given = [pyarrow.table(frame)]
    frame.to_parquet(tmp_path / "t.parquet")
    given.append(tmp_path / "t.parquet")
    polars = pytest.importorskip("polars")
    given.append(polars.DataFrame(frame.to_dict("list")))
    for data in given:
        table = read_table(data, ASKED)
        pd.testing.assert_frame_equal(table.X, expected.X, check_dtype=False)
        np.testing.assert_array_equal(table.codes, expected.codes)


def test_exam_from_its_csv_file_is_the_same_table(root):
    """But for the two texts, which the shipped data have as dummies."""
    shipped = exam_table()
    path = root / "data" / "exam.csv"
    read = read_table(path, Asked("school", "normexam", drop=["student"]))
    np.testing.assert_array_equal(read.y, shipped.y)
    np.testing.assert_array_equal(read.codes, shipped.codes)
    numbers = [n for n in read.names if n in shipped.names]
    assert {"standLRT", "schavg"} <= set(numbers)
    for name in numbers:
        np.testing.assert_array_equal(read.X[name], shipped.X[:, shipped.names.index(name)])
    assert (
        read.features.fit_transform(read.X).shape[1] == shipped.X.shape[1] - 2
    )  # drop="if_binary"


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1", "2.5", "?", "None", "-", "N/A", "."], [1, 2.5, *[np.nan] * 5]),
        (["80,000", "1,200,500.5", "7"], [80000, 1200500.5, 7]),
        (["66,26", "5,1", "7"], [66.26, 5.1, 7]),
        (["1.234,5", "7"], [1234.5, 7]),
        (["$74.69", "5", "$45,000"], [74.69, 5, 45000]),
        (["45,000 kms", "1 km"], [45000, 1]),
        (["86.336,91 €", "1.200 €", "1.300"], [86336.91, 1200, 1300]),
        (["1.234.567", "950.000"], [1234567, 950000]),
        (["1\xa0234,50", "12 345,00"], [1234.5, 12345]),
        (["(1,234)", "($5)", "-$6", "7"], [-1234, -5, -6, 7]),
        (["\u22121.5", "\u20132", "+3"], [-1.5, -2, 3]),
        (["USD 1,200", "usd 3", "Rs. 500"], ["USD 1,200", "usd 3", "Rs. 500"]),
        (["USD 1,200", "USD 3.5"], [1200, 3.5]),
        (["€110.5M", "€900K"], [110.5e6, 900e3]),
        (["500 g", "1 kg"], ["500 g", "1 kg"]),
        (["5 May", "6 Jun"], ["5 May", "6 Jun"]),
        (["<5", ">90", "7"], [5, 90, 7]),
        (["(5", "6)"], ["(5", "6)"]),
        (["TRUE", "FALSE"], ["TRUE", "FALSE"]),
        (["1_000", "2_000"], ["1_000", "2_000"]),
        (["2021-03-04", "2021-03-05"], ["2021-03-04", "2021-03-05"]),
        (["18.00.00", "19.00.00"], ["18.00.00", "19.00.00"]),
        (["a, b", "c"], ["a, b", "c"]),
    ],
)
def test_numbers_in_text(texts, values):
    column = read_frame(pd.DataFrame({"x": texts}))[0]["x"]
    assert column.tolist() == pytest.approx(values, nan_ok=True)


def test_cells_that_are_lists_are_texts():
    frame = rows_of()
    frame["colour"] = [[1, 2], [3]] * 12
    frame["array"] = [np.arange(3), None] * 12
    table = read_table(frame, ASKED)
    assert set(table.X["colour"]) == {"[1, 2]", "[3]"} and table.X["array"].isna().sum() == 12


def test_columns_of_one_name(tmp_path):
    """In a file they are told apart, and it is said how; frames that have them are refused."""
    text = rows_of().assign(other=1.5).to_csv(index=False).replace("other", "size", 1)
    frame, notes = read_frame(csv(tmp_path, text))
    assert list(frame) == ["task", "y", "size", "colour", "size.1"]
    assert notes == ["2 columns are named 'size': read as size, size.1"]
    with pytest.raises(CompareError, match="several columns are named 'size'"):
        read_frame(rows_of().rename(columns={"colour": "size"}))


def test_a_few_words_among_numbers_are_missing(tmp_path):
    frame = rows_of(3, 20)
    frame["size"] = frame["size"].astype(str)
    frame.loc[[3, 30], "size"] = "broken"
    table = read_table(frame, ASKED)
    assert table.X["size"].isna().sum() == 2
    assert any(
        "'size' holds numbers but for 2 of 60 values ('broken' in row 4)" in n for n in table.notes
    )


# --- what becomes of columns ---------------------------------------------------------------------


def test_columns_that_are_set_aside():
    frame = rows_of(4, 8)
    n = len(frame)
    rng = np.random.default_rng(1)
    frame.insert(0, "", range(1, n + 1))  # R's row names
    frame["tens"] = np.arange(n) * 10
    frame["code"] = rng.permutation(n) + 100
    frame["customer_id"] = rng.permutation(n) * 977
    frame["name"] = [f"person {i}" for i in range(n)]
    frame["again"] = frame["task"].map({f"t{i}": i + 1 for i in range(4)})
    frame["level"] = frame["task"].map({f"t{i}": i**2 + 0.5 for i in range(4)})  # a task's own
    frame["people"] = rng.permutation(n) * 90_001 + 17  # a count: all different, no identifier
    frame["twice"] = 3.0 - 2.0 * frame["size"]
    frame["empty"], frame["same"] = None, "x"
    table = read_table(frame, ASKED)
    assert table.names == ["size", "colour", "level", "people"]
    found = roles(table)
    assert found[""] == found["tens"] == ("set aside", "row number")
    for name in ("code", "customer_id", "name"):
        assert found[name] == ("set aside", "identifier")
    assert found["again"] == found["twice"] == ("set aside", "repeats")
    assert (found["empty"][1], found["same"][1]) == ("empty", "constant")
    said = next(note for note in table.notes if note.startswith("columns set aside"))
    assert "code (a different whole number in every row)" in said
    assert "twice (is size on another scale)" in said
    assert any(note.startswith("constant within every task: level") for note in table.notes)
    kept = read_table(frame, Asked("task", "y", keep=["code"], drop=["people"], id=["level"]))
    assert kept.names == ["size", "colour", "code"]
    assert roles(kept)["level"] == ("set aside", "identifier")


def test_missing_values_dates_and_texts_in_the_folds():
    """All that is learned is learned in `fit`: from training rows."""
    frame = rows_of(4, 15)
    n = len(frame)
    rng = np.random.default_rng(2)
    frame["day"] = pd.date_range("2020-12-20", periods=n, freq="D").strftime("%d/%m/%Y")
    frame["price"] = rng.normal(5, 1, n)
    frame.loc[::5, "price"] = np.nan
    frame.loc[1::7, "colour"] = None
    table = read_table(frame, ASKED)
    assert roles(table)["day"] == ("feature", "date")
    assert {c.name: c.n_missing for c in table.columns if c.n_missing} == {"price": 12, "colour": 9}
    fitted = table.features.fit(table.X.iloc[:30])
    Z = fitted.transform(table.X)
    names = list(fitted[:-1].get_feature_names_out())
    assert "day_year" in names and "missingindicator_price" in names
    assert np.isfinite(Z).all()
    np.testing.assert_allclose(Z[:30].mean(axis=0), 0.0, atol=1e-12)
    median = frame["price"][:30].median()
    known = frame["price"][:30].fillna(median)
    np.testing.assert_allclose(
        Z[0, names.index("price")], (median - known.mean()) / known.std(ddof=0)
    )


@pytest.mark.parametrize(
    "form", ["%d-%b-%y", "%b %d, %Y", "%B %Y", "%m/%d/%Y %I:%M %p", "%Y-%m-%d", "%d.%m.%Y"]
)
def test_dates_in_words(form):
    frame, days = rows_of(3, 40), pd.date_range("2020-01-01", periods=120, freq="9D")
    frame["day"] = np.random.default_rng(0).permutation(days.strftime(form))
    table = read_table(frame, ASKED)
    assert roles(table)["day"] == ("feature", "date")
    assert table.dates == (["day"] if form in ("%d-%b-%y", "%b %d, %Y", "%B %Y") else table.dates)
    X = table.features.fit_transform(table.X)
    assert X.shape[1] > 3 and np.isfinite(X).all()


def test_single_precision_is_not_good_enough():
    """Numbers go past the vectorizer, which rounds to single precision."""
    frame = rows_of()
    frame["stamp"] = 1.7e9 + np.random.default_rng(0).uniform(-1, 1, len(frame))
    table = read_table(frame, ASKED)
    Z = table.features.fit_transform(table.X)
    expected = (frame["stamp"] - frame["stamp"].mean()) / frame["stamp"].std(ddof=0)
    np.testing.assert_allclose(
        Z[:, list(table.features[:-1].get_feature_names_out()).index("stamp")], expected, rtol=1e-6
    )


def test_what_is_said_about_features():
    frame = rows_of(3, 40)
    frame["nearly"] = frame["y"] + 0.1 * frame["size"] ** 2
    frame["sensor"] = np.where(np.arange(120) % 9 == 0, -200.0, frame["size"] * 3)
    said = read_table(frame, ASKED).notes
    assert any("nearly alone explains 9" in n and "--drop 'nearly'" in n for n in said)
    assert (
        "-200 is far below all other values of sensor: if it means missing, pass --missing -200"
        in said
    )
    table = read_table(frame, Asked("task", "y", missing=[-200.0]))
    assert table.X["sensor"].isna().sum() == 14
    frame.loc[:4, "y"] = -200.0
    assert len(read_table(frame, Asked("task", "y", missing=[-200.0])).y) == 115


def test_codes_for_missing_do_not_look_like_the_target():
    """A sensor that was off is -200 in every column, the target too: no column explains that."""
    frame = rows_of(3, 40)
    frame["other"] = np.random.default_rng(3).standard_normal(120)
    frame.loc[::9, ["y", "size", "other"]] = -200.0
    said = read_table(frame, ASKED).notes
    assert not any("alone explains" in note for note in said)
    assert any(n.startswith("-200 is far below all other values of y, size, other:") for n in said)


def test_nines_far_above_are_codes_for_missing():
    frame = rows_of(3, 40)
    frame.loc[::9, "size"] = 999.0
    said = read_table(frame, ASKED).notes
    assert [n for n in said if "--missing" in n] == [
        "999 is far above all other values of size: if it means missing, pass --missing 999"
    ]
    frame["size"] = np.arange(120.0) + 880.0  # as large as others
    assert not any("--missing" in note for note in read_table(frame, ASKED).notes)


def test_copies_are_told():
    frame = rows_of(3, 40)
    twice = pd.concat([frame, frame.iloc[:30]])
    said = [n for n in read_table(twice, ASKED).notes if "copies" in n]
    assert len(said) == 1 and said[0].startswith("30 rows are exact copies of others: ")
    counts = frame.assign(y=np.resize([0, 1], 120), size=np.resize([1, 2, 3], 120))
    assert not any("copies" in note for note in read_table(counts, ASKED).notes)


def test_the_only_feature_is_not_to_be_dropped():
    frame = rows_of(3, 40).drop(columns="colour")
    frame["y"] += 10.0 * frame["size"]
    assert not any("alone explains" in note for note in read_table(frame, ASKED).notes)


def test_columns_that_belong_to_the_tasks():
    """A region is constant within tasks; nests are in one task each, years in all of them."""
    frame = rows_of(6, 12)
    frame["region"] = np.repeat(["n", "s"], 36)
    frame["nest"] = 500 + 2 * np.random.default_rng(0).permutation(24)[np.arange(72) // 3]
    frame["year"] = np.tile(np.arange(12), 6)
    said = read_table(frame, ASKED).notes
    assert any(note.startswith("constant within every task: region; where") for note in said)
    assert [note for note in said if "--group" in note] == [
        "each value of nest is in one task only: if it names what rows belong to, --group 'nest' "
        "keeps these together"
    ]
    table = read_table(frame, Asked("task", "y", group="nest"))
    assert "nest" not in table.names and not any("--group" in note for note in table.notes)


@pytest.mark.parametrize(
    ("name", "step", "aside"),
    [("county", 1, True), ("county", 2, False), ("county_id", 2, True), ("people", 40, False)],
)
def test_numbers_of_the_tasks(name, step, aside):
    """Whole numbers, one a task: its number if they are dense or called so, else a measurement."""
    frame = rows_of(6, 4)
    frame[name] = 100 + step * np.repeat([3, 0, 4, 1, 5, 2], 4)
    found = next(c for c in read_table(frame, ASKED).columns if c.name == name)
    assert (found.role == "set aside") == aside


def test_rows_and_tasks_that_are_left_out():
    frame = rows_of(4, 6)
    frame.loc[3, "y"] = np.nan
    frame.loc[[7, 8], "task"] = None
    frame.loc[23, "task"] = "alone"
    table = read_table(frame, ASKED)
    assert len(table.y) == 21
    assert "1 rows without a target (y) are left out" in table.notes
    assert "2 rows without a task (task) are left out" in table.notes
    assert "tasks of one row train and are never tested: alone" in table.notes
    frame = rows_of(4, 6)
    frame["y"] = [0, 1, 0, 1, 0, 1, *[0] * 6, *[2, 1] * 6]
    table = read_table(frame, Asked("task", "y", classify=True))
    assert table.task_names == ["t0", "t2", "t3"] and table.classes.tolist() == [0, 1, 2]
    assert table.left_out == {"t1": "one class only, 6 rows"}
    assert "tasks with one class only are left out: t1 (6 rows); 6 rows" in table.notes


# --- what is refused -----------------------------------------------------------------------------

REFUSED = {
    "no columns": (
        Asked("school", "Y", drop=["z"]),
        "--target: table has no column 'Y'; --task: table has no column 'school'; --drop: table "
        "has no column 'z'; its columns are task, y, size, colour",
    ),
    "text": (
        Asked("task", "colour"),
        "is not a number; it has 3 different values: add --classify to predict which",
    ),
    "numbers as classes": (
        Asked("task", "y", classify=True),
        "--classify is for 2 to 20 classes, here are 24",
    ),
    "negative counts": (
        Asked("task", "y", loss="poisson"),
        "--loss poisson is for targets of 0 or more, got -",
    ),
    "one column twice": (Asked("y", "y"), "must name different columns"),
    "groups are tasks": (
        Asked("task", "y", group="task"),
        "must name different columns; --new-tasks holds whole tasks out",
    ),
    "tasks are rows": (
        Asked("size", "y"),
        "every row has a label of its own; are these the tasks?",
    ),
    "no time": (Asked("task", "y", time="colour"), "--time colour: "),
    "nothing left": (
        Asked("task", "y", drop=["size", "colour"]),
        "no feature column is left: set aside are size (left out as asked), colour",
    ),
}


@pytest.mark.parametrize(("asked", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(asked, message):
    with pytest.raises(CompareError) as raised:
        read_table(rows_of(), asked)
    assert message in str(raised.value)


def test_a_target_that_is_the_same_in_every_row():
    with pytest.raises(CompareError, match="--target y: 5 in every row, so there is nothing to"):
        read_table(rows_of().assign(y=5), ASKED)


def test_all_faults_at_once_the_target_first():
    frame = rows_of(1)
    frame["y"] = [f"v{i}" for i in range(8)]
    with pytest.raises(CompareError) as raised:
        read_table(frame, ASKED)
    target, task = str(raised.value).split("; ")[0], str(raised.value).split("; ")[-1]
    assert target.startswith("--target y: 'v0' in row 1 is not a number")
    assert task == "--task task: there is one task only, 't0', so nothing to compare"


FILES = {
    "missing": (None, "No such file"),
    "empty": (b"", "has no rows; expected a header line"),
    "header only": (b"task,y,size\n", "has no rows"),
    "binary": (b"\x00\xff\x00\x01", "is not UTF-8 text"),
    "one column": (b"Sales in 2023\n\ntask\na\n", "'Sales in 2023', names one column only"),
    "words": (b"all the tasks\na\nb c\n", "separate these by commas, semicolons or tabs"),
    "no names": (b"1,2,3\n1,4,5\n", r"columns are 1, 2, 3 \(is the line of their names missing"),
    "half a file": (gzip.compress(b"task,y,x" * 9)[:-9], "cannot be unpacked"),
    "ragged": (
        b"task,y,x\na,1,2\na,1,2,3,4\n",
        "is no table with one separator: Expected 3 fields",
    ),
    "no Parquet": (b"task,y", "is no Parquet file"),
}


@pytest.mark.parametrize("which", FILES)
def test_refused_files(tmp_path, which):
    content, message = FILES[which]
    name = "t.parquet" if which == "no Parquet" else "t.csv"
    path = tmp_path / name if content is None else csv(tmp_path, content, name)
    with pytest.raises(CompareError, match=message):
        read_table(path, ASKED)
