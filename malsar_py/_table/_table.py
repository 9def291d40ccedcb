"""The rows of a comparison: the shipped Exam data, or a table with its columns told apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .._typing import AnyArray, FloatArray, IntArray
from ..datasets import load_exam
from ._columns import MANY_LEVELS, Column, describe, is_number, repeated, some, written_dates
from ._error import CompareError
from ._numbers import number
from ._read import import_pandas, read_frame

# Texts with many values are encoded by so many of the most frequent.
_LEVELS_KEPT = 20
# More classes than this are numbers, or names.
_MOST_CLASSES = 20
# Share of the variance from which on a feature nearly is the target.
_NEARLY = 0.8
# Up to this share of the rows, copies are chance.
_FEW_COPIES = 0.02
# A value that names what rows belong to has so many rows at least, on average.
_FEW_ROWS = 1.5


@dataclass(frozen=True, eq=False)
class Asked:
    """What the user says about the columns."""

    task: str
    target: str
    classify: bool = False
    drop: Sequence[str] = ()
    keep: Sequence[str] = ()
    id: Sequence[str] = ()
    date: Sequence[str] = ()
    missing: Sequence[float] = ()
    time: str | None = None
    group: str | None = None
    loss: str = "squared"

    def options(self) -> Iterator[tuple[str, str]]:
        """Options and the columns they name, the target first."""
        yield "--target", self.target
        yield "--task", self.task
        for option in ("drop", "keep", "id", "date"):
            for name in getattr(self, option):
                yield f"--{option}", name
        for option in ("time", "group"):
            if getattr(self, option) is not None:
                yield f"--{option}", getattr(self, option)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows with task codes; y holds the place of the class where ``classes`` is set."""

    name: str
    target: str
    task: str
    X: Any  # features as read: an array, or a pandas frame
    y: FloatArray
    codes: IntArray
    labels: AnyArray
    names: list[str]  # of the columns of X
    features: Any  # unfitted transformer of X to scaled numbers
    classes: AnyArray | None = None
    time: AnyArray | None = None
    groups: AnyArray | None = None
    columns: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    counts: bool = False  # tasks of nothing but 0 have no intercept: the log of 0

    @property
    def dates(self) -> list[str]:
        """Features that were read as dates before the transformer sees them."""
        found = [c.name for c in self.columns if c.role == "feature" and c.kind == "date"]
        return [name for name in found if self.X[name].dtype.kind == "M"]

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.labels)

    @property
    def task_names(self) -> list[str]:
        """Labels as in the file: whole numbers without a decimal point."""
        return [label_text(label) for label in self.labels]

    def take(self, rows: AnyArray) -> Any:
        """Features of some rows."""
        return self.X[rows] if isinstance(self.X, np.ndarray) else self.X.iloc[rows]

    def whole(self) -> Any:
        """Labels and features in one table, as the final model reads it: the task first."""
        tasks = self.labels[self.codes]
        if isinstance(self.X, np.ndarray):
            return np.column_stack([tasks, self.X])
        whole = self.X.copy()
        whole.insert(0, self.task, tasks)
        return whole

    def answers(self) -> AnyArray:
        """The target as the final model is to predict it: numbers, or the classes as given."""
        return self.y if self.classes is None else self.classes[self.y.astype(np.intp)]


def exam_table() -> Table:
    """The shipped Exam data: clean numbers, so neither pandas nor skrub are needed."""
    exam = load_exam()
    labels, codes = np.unique(exam.tasks, return_inverse=True)
    names = list(exam.feature_names)
    columns = [Column("school", "task", "number", 0), Column("normexam", "target", "number", 0)]
    columns += [Column(name, "feature", "number", 0) for name in names]
    table = Table(
        "Exam", "normexam", "school", exam.data, exam.target, codes, labels, names,
        StandardScaler(), columns=columns,
    )  # fmt: skip
    table.notes.extend(_about_features(table, exam.data, names))
    return table


def read_table(data: Any, asked: Asked, *, encoding: str | None = None) -> Table:
    """Read a file or a frame; all faults are told in one `CompareError`, the target's first."""
    labelled = [asked.task, asked.target] if asked.classify else [asked.task]
    frame, notes = read_frame(data, encoding, labelled)
    name = Path(data).name if isinstance(data, str | Path) else "table"
    _check_options(frame, asked, name)
    for value in asked.missing:
        numbers = [c for c in frame if is_number(frame[c]) and c != asked.task]
        frame[numbers] = frame[numbers].where(frame[numbers] != value)
    faults = [fault for fault in (_target_fault(frame[asked.target], asked),) if fault]
    frame = _with_labels(frame, asked, notes)
    if faults or not len(frame):
        if not faults:
            faults.append("no row has both a task and a target")
        raise CompareError("; ".join([*faults, *_task_faults(frame, asked)]))
    frame, left_out = _without_one_class(frame, asked, notes)
    faults = _task_faults(frame, asked)
    codes, labels = _codes(frame[asked.task])
    columns = _columns(frame, asked, codes)
    faults += [f"column {c.name!r} has {c.why}" for c in columns if c.kind == "infinite"]
    names = [c.name for c in columns if c.role == "feature"]
    if not names:
        why = ", ".join(f"{c.name} ({c.why})" for c in columns if c.role == "set aside")
        faults.append(f"no feature column is left{': set aside are ' + why if why else ''}")
    time = None if asked.time is None else _time(frame[asked.time], asked.time, faults)
    if faults:
        raise CompareError("; ".join(faults))
    y, classes = _target(frame[asked.target], asked)
    notes.extend(_about_copies(frame[[*names, asked.task, asked.target]]))
    table = Table(
        name, asked.target, asked.task, frame[names], y, codes, labels, names,
        features(columns, bool(frame[names].isna().any().any())), classes, time,
        None if asked.group is None else frame[asked.group].astype(str).to_numpy(),
        columns, notes, left_out, asked.loss == "poisson",
    )  # fmt: skip
    notes.extend(_about_columns(table))
    numbers = [c.name for c in columns if c.role == "feature" and c.kind == "number"]
    notes.extend(_about_features(table, frame[numbers].to_numpy(dtype=float), numbers))
    return table


def features(columns: list[Column], holes: bool) -> Any:
    """Columns as numbers of one scale: encoded, imputed and standardised, all learned in `fit`."""
    numbers = [c.name for c in columns if c.role == "feature" and c.kind == "number"]
    texts = [c for c in columns if c.role == "feature" and c.kind != "number"]
    steps: list[Any] = []
    if texts:
        from skrub import DatetimeEncoder, TableVectorizer

        options: dict[str, Any] = {"sparse_output": False, "dtype": np.float64}
        steps.append(
            TableVectorizer(
                cardinality_threshold=MANY_LEVELS,
                low_cardinality=OneHotEncoder(drop="if_binary", handle_unknown="ignore", **options),
                high_cardinality=OneHotEncoder(
                    max_categories=_LEVELS_KEPT, handle_unknown="infrequent_if_exist", **options
                ),
                datetime=DatetimeEncoder(resolution="hour", add_weekday=True),
                # As they are: the vectorizer would round them to single precision.
                specific_transformers=[("passthrough", numbers)] if numbers else (),
            )
        )
    imputer = SimpleImputer(strategy="median", add_indicator=holes, keep_empty_features=True)
    return make_pipeline(*steps, imputer, StandardScaler())


# --- what is asked -------------------------------------------------------------------------------


def _check_options(frame: Any, asked: Asked, name: str) -> None:
    faults = [
        f"{option}: {name} has no column {column!r}"
        for option, column in asked.options()
        if column not in frame.columns
    ]
    if faults:
        names = all(number(column)[0] is not None for column in frame.columns)
        lacks = " (is the line of their names missing?)" if names else ""
        raise CompareError(f"{'; '.join(faults)}; its columns are {some(frame.columns, 20)}{lacks}")
    used = {asked.task, asked.target}
    if len(used) == 1 or used & {*asked.drop, *asked.id, asked.time, asked.group}:
        raise CompareError(
            "--task, --target and --drop, --id, --time or --group must name different columns"
            + ("; --new-tasks holds whole tasks out" if asked.group == asked.task else "")
        )


def _target_fault(column: Any, asked: Asked) -> str | None:
    known = column.dropna()
    n_levels = known.nunique()
    if not len(known):
        return f"--target {asked.target}: every row lacks a value"
    if asked.classify:
        if not 2 <= n_levels <= _MOST_CLASSES:
            return (
                f"--target {asked.target}: --classify is for 2 to {_MOST_CLASSES} classes, here "
                f"are {n_levels}: {some(map(label_text, np.unique(_plain(known))), 5)}"
            )
        return None
    if n_levels == 1:
        value = label_text(_plain(known)[0])
        return f"--target {asked.target}: {value} in every row, so there is nothing to predict"
    if is_number(column):
        infinite = np.flatnonzero(np.isinf(column.to_numpy(dtype=float)))
        if len(infinite):
            return f"--target {asked.target}: row {infinite[0] + 1} is infinite"
        lowest = float(known.min())
        if asked.loss in ("poisson", "gamma") and (
            lowest < 0 or (asked.loss == "gamma" and not lowest)
        ):
            least = "0 or more" if asked.loss == "poisson" else "more than 0"
            return (
                f"--target {asked.target}: --loss {asked.loss} is for targets of {least}, got "
                f"{lowest:g}"
            )
        return None
    odd = known.index[0]
    fault = f"--target {asked.target}: {known.iloc[0]!r} in row {odd + 1} is not a number"
    if n_levels <= _MOST_CLASSES:
        return f"{fault}; it has {n_levels} different values: add --classify to predict which"
    return f"{fault}, and {n_levels} different values are too many for --classify"


def _with_labels(frame: Any, asked: Asked, notes: list[str]) -> Any:
    kept = frame[asked.target].notna()
    if not kept.all():
        notes.append(f"{(~kept).sum()} rows without a target ({asked.target}) are left out")
    named = frame[asked.task].notna() | ~kept
    if not named.all():
        notes.append(f"{(~named).sum()} rows without a task ({asked.task}) are left out")
    for column, option in ((asked.time, "time"), (asked.group, "group")):
        if column is not None:
            known = frame[column].notna()
            lost = int((kept & named & ~known).sum())
            if lost:
                notes.append(f"{lost} rows without a {option} ({column}) are left out")
            named &= known | ~kept
    return frame[kept & named].reset_index(drop=True)


def _task_faults(frame: Any, asked: Asked) -> list[str]:
    n_tasks = frame[asked.task].nunique()
    if n_tasks < 2:
        known = frame[asked.task].dropna()
        only = f", {label_text(known.iloc[0])!r}" if len(known) else ""
        return [f"--task {asked.task}: there is one task only{only}, so nothing to compare"]
    if n_tasks == len(frame):
        return [f"--task {asked.task}: every row has a label of its own; are these the tasks?"]
    return []


def _without_one_class(frame: Any, asked: Asked, notes: list[str]) -> tuple[Any, dict[str, str]]:
    """Tasks of one class have nothing to tell apart, counts that are all 0 no logarithm."""
    if not asked.classify and asked.loss != "poisson":
        return frame, {}
    targets = frame.groupby(asked.task)[asked.target]
    few = targets.transform("nunique") < 2 if asked.classify else targets.transform("max") == 0
    alone, what = frame[few], "one class only" if asked.classify else "counts of 0 only"
    if not len(alone):
        return frame, {}
    counts = alone[asked.task].value_counts(sort=False)
    left_out = {label_text(k): f"{what}, {n} rows" for k, n in counts.items()}
    if len(alone) == len(frame):
        raise CompareError(f"--task {asked.task}: every task has {what}")
    shown = some((f"{label_text(k)} ({n} rows)" for k, n in counts.items()), 5)
    notes.append(f"tasks with {what} are left out: {shown}; {len(alone)} rows")
    return frame[~few].reset_index(drop=True), left_out


def _plain(column: Any) -> AnyArray:
    return column.to_numpy() if is_number(column) else np.array([str(v) for v in column])


def _codes(column: Any) -> tuple[IntArray, AnyArray]:
    labels, codes = np.unique(_plain(column), return_inverse=True)
    return codes, labels


def _columns(frame: Any, asked: Asked, codes: IntArray) -> list[Column]:
    """Every column and what becomes of it."""
    pd = import_pandas()
    found = []
    for name in frame.columns:
        column = frame[name]
        kind = "number" if is_number(column) else "category"
        if name in (asked.task, asked.target):
            found.append(Column(name, "task" if name == asked.task else "target", kind, 0))
        elif name in asked.drop or name in asked.id:
            why = "left out as asked" if name in asked.drop else "names rows, as said"
            found.append(Column(name, "set aside", "identifier", int(column.isna().sum()), why))
        else:
            if name in asked.date:
                frame[name] = column = pd.to_datetime(column, errors="coerce", format="mixed")
            elif (dates := written_dates(pd, column)) is not None:
                frame[name] = column = dates
            described = describe(column, codes, asked.task)
            if name in asked.keep and described.kind not in ("empty", "infinite"):
                kind = "date" if column.dtype.kind == "M" else kind
                described = Column(name, "feature", kind, described.n_missing, "kept as asked")
            elif name == asked.group and described.role == "feature":
                described = Column(name, "set aside", "identifier", 0, "groups rows")
            found.append(described)
    twice = repeated(frame, [c for c in found if c.name not in asked.keep])
    return [
        Column(c.name, "set aside", "repeats", c.n_missing, f"is {twice[c.name]} on another scale")
        if c.name in twice
        else c
        for c in found
    ]


def _time(column: Any, name: str, faults: list[str]) -> AnyArray | None:
    """Values that can be put in order."""
    if is_number(column):
        return column.to_numpy(dtype=float)
    from skrub import ToDatetime
    from skrub.core import RejectColumn

    try:
        times = column if column.dtype.kind == "M" else ToDatetime().fit_transform(column)
    except (RejectColumn, ValueError):
        faults.append(f"--time {name}: {column.iloc[0]!r} is neither a number nor a date")
        return None
    if times.dt.tz is not None:
        times = times.dt.tz_convert(None)
    return times.to_numpy().astype("datetime64[ns]").astype(np.int64)


def _target(column: Any, asked: Asked) -> tuple[FloatArray, AnyArray | None]:
    if not asked.classify:
        return column.to_numpy(dtype=float), None
    classes, codes = np.unique(_plain(column), return_inverse=True)
    return codes.astype(np.float64), classes


# --- what is to be said --------------------------------------------------------------------------


def _about_copies(frame: Any) -> Iterator[str]:
    """Rows that are others once more, where measurements make that no chance."""
    copies = int(frame.duplicated().sum())
    distinct = len(frame) - copies
    measured = any(
        frame[name].nunique() > 0.5 * distinct for name in frame if is_number(frame[name])
    )
    if copies and measured:
        yield (
            f"{copies} rows are exact copies of others: a copy of a row that is tested may be "
            "trained on, which flatters; remove them if they are no rows of their own"
        )


def _about_columns(table: Table) -> Iterator[str]:
    aside = [c for c in table.columns if c.role == "set aside"]
    if aside:
        shown = ", ".join(f"{c.name} ({c.why})" for c in aside)
        yield f"columns set aside: {shown}; --keep COLUMN uses one"
    holes = [c for c in table.columns if c.role == "feature" and c.n_missing]
    if holes:
        shown = some((f"{c.name} ({c.n_missing})" for c in holes), 8)
        yield f"missing values are filled in, as learned on training rows, and marked: {shown}"
    for kind, what in (("category", "categories, one-hot encoded"), ("date", "dates")):
        names = [c.name for c in table.columns if c.role == "feature" and c.kind == kind]
        if names:
            yield f"{what}: {some(names, 8)}"
    texts = [c.name for c in table.columns if c.role == "feature" and c.kind == "text"]
    if texts:
        yield f"text, its {_LEVELS_KEPT} most frequent values one-hot encoded: {some(texts, 8)}"
    sizes = np.bincount(table.codes)
    ones = [name for name, n in zip(table.task_names, sizes, strict=True) if n == 1]
    if ones:
        yield f"tasks of one row train and are never tested: {some(ones, 5)}"


def _about_features(table: Table, X: FloatArray, names: list[str]) -> Iterator[str]:
    """Features that belong to the tasks; codes for missing; features that nearly are the target."""
    constant, nested = _within_tasks(table)
    if constant:
        yield (
            f"constant within every {table.task}: {some(constant, 5)}; where intercepts are free, "
            "what they do is inside these"
        )
    for name in nested:
        yield (
            f"each value of {name} is in one {table.task} only: if it names what rows belong to, "
            f"--group {name!r} keeps these together"
        )
    if table.classes is None:
        X, names = np.column_stack([table.y, X]), [table.target, *names]
    X = X.copy()
    for value, columns in _codes_for_missing(X, names).items():
        side = "below" if value < 0.0 else "above"
        yield (
            f"{value:g} is far {side} all other values of {some(columns, 5)}: if it means missing, "
            f"pass --missing {value:g}"
        )
        X[(value == X) & np.isin(names, columns)] = np.nan
    if table.classes is None and len(table.names) > 1:
        yield from _nearly_the_target(table, X[:, 0], X[:, 1:], names[1:])


def _within_tasks(table: Table) -> tuple[list[str], list[str]]:
    """Features that are constant within the tasks; those whose values are each in one task only."""
    constant, nested = [], []
    for column in table.columns:
        if column.role != "feature":
            continue
        j = table.names.index(column.name)
        values = table.X[:, j] if isinstance(table.X, np.ndarray) else table.X.iloc[:, j].to_numpy()
        number = values.dtype.kind in "iufM"
        levels, places = np.unique(values if number else values.astype(str), return_inverse=True)
        n_levels = len(levels)
        n_pairs = len(np.unique(table.codes * n_levels + places))
        names = values.dtype.kind not in "fM" and n_levels * _FEW_ROWS < len(values)
        if n_levels > 1 and n_pairs == table.n_tasks:
            constant.append(column.name)
        elif names and table.n_tasks < n_levels == n_pairs:
            nested.append(column.name)
    return constant, nested


def _nearly_the_target(
    table: Table, y: FloatArray, X: FloatArray, names: list[str]
) -> Iterator[str]:
    found = {}
    for j, name in enumerate(names):
        known = ~(np.isnan(X[:, j]) | np.isnan(y))
        if known.sum() > 2 and np.ptp(X[known, j]) > 0.0 and np.ptp(y[known]) > 0.0:
            r2 = np.corrcoef(X[known, j], y[known])[0, 1] ** 2
            if r2 > _NEARLY:
                found[name] = f"{100 * r2:.0f} %"
    if len(found) == 1:
        ((name, share),) = found.items()
        yield (
            f"{name} alone explains {share} of the variance of {table.target}: is it known when "
            f"you predict? --drop {name!r} leaves it out"
        )
    elif found:
        shown = some((f"{name} ({share})" for name, share in found.items()), 8)
        yield (
            f"each alone explains much of the variance of {table.target}: {shown}; are they known "
            "when you predict? --drop COLUMN leaves one out"
        )


def _codes_for_missing(X: FloatArray, names: list[str]) -> dict[float, list[str]]:
    """Values often taken and far from all others: the smallest, such as -200, or 99, 999 and so on.

    Far in one column, a value is a code in the others too, where it is at the end.
    """
    found: dict[float, list[str]] = {}
    for j, name in enumerate(names):
        x = X[~np.isnan(X[:, j]), j]
        ends = [float(f(x)) for f in (np.min, np.max)] if len(x) else []
        for marker in ends:
            rest = x[x != marker]
            nines = marker > 9.0 and set(f"{marker:g}") == {"9"}
            if not (marker < 0.0 or nines) or not len(rest):
                continue
            if (x == marker).sum() >= max(3, 0.005 * len(x)):
                gap = np.abs(rest - marker).min()
                if gap > 2.0 * np.ptp(np.quantile(rest, [0.05, 0.95])):
                    found.setdefault(marker, []).append(name)
                elif marker in found:
                    found[marker].append(name)
    return found


def label_text(label: Any) -> str:
    """A label as in the file: whole numbers without a decimal point."""
    if not isinstance(label, float):
        return str(label)
    return str(int(label)) if label.is_integer() else f"{label:.12g}"
