"""Tables for the command line: the shipped Exam data or a user's CSV file, as numbers by task."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ._typing import AnyArray, FloatArray, IntArray
from .datasets import load_exam

# A text column with more categories is an identifier, or numbers in a format of their own.
_MAX_CATEGORIES = 100
_MISSING = frozenset({"", "NA", "N/A", "<NA>", "NaN", "nan", "NULL", "null"})


class CompareError(Exception):
    """What the user can put right: shown as one line, without a traceback."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows with task codes; y holds 0 and 1 where ``classes`` is set."""

    name: str
    target: str
    task: str
    X: FloatArray
    y: FloatArray
    codes: IntArray
    labels: AnyArray
    feature_names: list[str]
    classes: list[str] | None = None

    @property
    def n_tasks(self) -> int:
        return len(self.labels)


def exam_table() -> Table:
    """The shipped Exam data."""
    exam = load_exam()
    labels, codes = np.unique(exam.tasks, return_inverse=True)
    return Table(
        "Exam", "normexam", "school", exam.data, exam.target, codes, labels, exam.feature_names
    )


def read_table(
    path: Path, *, task: str, target: str, classify: bool = False, drop: Sequence[str] = ()
) -> Table:
    """Read a CSV file with a header line; every fault is a `CompareError` that names the column."""
    columns, lines = _read_columns(path)
    for option, name in (("--task", task), ("--target", target), *(("--drop", d) for d in drop)):
        if name not in columns:
            raise CompareError(
                f"{option}: {path} has no column {name!r}; its columns are {_some(columns, 10)}"
            )
    if task == target or {task, target} & set(drop):
        raise CompareError("--task, --target and --drop must name different columns")

    kept = np.array([text not in _MISSING for text in columns[target]])
    if not kept.all():
        note(f"rows without a target are left out: {(~kept).sum()}")
    if not kept.any():
        raise CompareError(f"--target {target}: every row lacks a value")
    columns = {
        name: [text for text, keep in zip(texts, kept, strict=True) if keep]
        for name, texts in columns.items()
        if name not in drop
    }
    lines = [line for line, keep in zip(lines, kept, strict=True) if keep]
    for name, texts in columns.items():
        _refuse_missing(name, texts, lines, is_task=name == task)

    labels, codes = np.unique(_numbers_if_all(columns.pop(task)), return_inverse=True)
    y, classes = _target(target, columns.pop(target), lines, classify)
    X, names = _features(columns, lines)
    table = Table(path.name, target, task, X, y, codes, labels, names, classes)
    if classes is not None:
        table = _without_one_class_tasks(table)
    if table.n_tasks < 2:
        raise CompareError(f"--task {task}: there is one task only, so nothing to compare")
    if table.n_tasks == len(table.y):
        raise CompareError(f"--task {task}: every row has a label of its own; are these the tasks?")
    return table


def _read_columns(path: Path) -> tuple[dict[str, list[str]], list[int]]:
    """Columns as stripped text by name, and the line number of each row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=header.count))
            names = [name.strip() for name in next(reader, [])]
            rows, lines = [], []
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
    except OSError as error:
        raise CompareError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CompareError(f"{path} is not UTF-8 text; save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise CompareError(f"{path} is no CSV file: {error}") from error
    if not names or not rows:
        raise CompareError(f"{path} has no rows; expected a header line and rows below it")
    for name in names:
        if names.count(name) > 1:
            raise CompareError(f"{path} has {names.count(name)} columns named {name!r}")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise CompareError(
                f"{path}, line {line}: {len(row)} values, but the header names {len(names)} columns"
            )
    texts = ([text.strip() for text in column] for column in zip(*rows, strict=True))
    return dict(zip(names, texts, strict=True)), lines


def _refuse_missing(name: str, texts: list[str], lines: list[int], *, is_task: bool) -> None:
    empty = [line for text, line in zip(texts, lines, strict=True) if text in _MISSING]
    if empty:
        remedy = "remove the rows" if is_task else f"pass --drop {name!r}"
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise CompareError(
            f"column {name!r} lacks a value in line {empty[0]}{more}: "
            f"fill in the values, or {remedy}"
        )


def _number(text: str) -> float | None:
    """The text's number, None if it is not one (Python's ``1_000`` is not)."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _numbers_if_all(texts: list[str]) -> AnyArray:
    values = [_number(text) for text in texts]
    return np.array(texts if None in values else values)


def _target(
    name: str, texts: list[str], lines: list[int], classify: bool
) -> tuple[FloatArray, list[str] | None]:
    if classify:
        levels, codes = np.unique(_numbers_if_all(texts), return_inverse=True)
        if len(levels) != 2:
            raise CompareError(
                f"--target {name}: --classify needs two classes, got {_some(levels, 5)}"
            )
        return codes.astype(np.float64), [str(level) for level in levels]
    values = [_number(text) for text in texts]
    for text, value, line in zip(texts, values, lines, strict=True):
        if value is None or not math.isfinite(value):
            raise CompareError(
                f"--target {name}: {text!r} in line {line} is not a finite number; "
                "if the target is one of two classes, add --classify"
            )
    return np.array(values, dtype=np.float64), None


def _features(columns: dict[str, list[str]], lines: list[int]) -> tuple[FloatArray, list[str]]:
    blocks, names, encoded = [], [], []
    for name, texts in columns.items():
        values = [_number(text) for text in texts]
        if None not in values:
            column = np.array(values, dtype=np.float64)
            if not np.isfinite(column).all():
                line = lines[int(np.argmin(np.isfinite(column)))]
                raise CompareError(f"column {name!r} has an infinite value in line {line}")
            blocks.append(column)
            names.append(name)
            continue
        levels, codes = np.unique(np.array(texts), return_inverse=True)
        if len(levels) > _MAX_CATEGORIES:
            first = values.index(None)
            raise CompareError(
                f"column {name!r} is text ({texts[first]!r} in line {lines[first]}) with "
                f"{len(levels)} different values, too many to one-hot encode: pass --drop {name!r}"
            )
        blocks.extend((codes == level).astype(np.float64) for level in range(len(levels)))
        names.extend(f"{name}={level}" for level in levels)
        encoded.append(f"{name} ({len(levels)})")
    if not blocks:
        raise CompareError("no feature column is left besides task and target")
    if encoded:
        note(f"text columns one-hot encoded (categories): {', '.join(encoded)}")
    return np.column_stack(blocks), names


def _without_one_class_tasks(table: Table) -> Table:
    mean = np.bincount(table.codes, weights=table.y) / np.bincount(table.codes)
    alone = (mean == 0.0) | (mean == 1.0)
    if not alone.any():
        return table
    note(f"tasks with one class only are left out: {_some(table.labels[alone], 5)}")
    if alone.all():
        raise CompareError(f"--task {table.task}: every task has one class only")
    rows = ~alone[table.codes]
    return replace(
        table,
        X=table.X[rows],
        y=table.y[rows],
        codes=(np.cumsum(~alone) - 1)[table.codes[rows]],
        labels=table.labels[~alone],
    )


def note(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)


def _some(values: Collection[Any], limit: int) -> str:
    """The first few values, and how many there are."""
    shown = ", ".join(map(str, islice(values, limit)))
    return shown + (f", ... ({len(values)} in all)" if len(values) > limit else "")
