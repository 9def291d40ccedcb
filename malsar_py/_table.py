"""Tables for the command line: the shipped Exam data or a user's CSV file, as numbers by task."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Collection, Iterator, Sequence
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


# A number with a currency sign, separators or a unit: "$74.69", "80,000", "66,26", "45,000 kms".
_DRESSED_NUMBER = re.compile(
    r"[^\w\s.,+-]?\s*(?P<number>[-+]?\d[\d,]*(?:\.\d+)?)(?:%|\s+[^\W\d]+)?(?:\s*[^\w\s.,+-])?"
)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


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
    task_texts, target_texts = columns.pop(task), columns.pop(target)
    # All faults at once, the target's first: nobody likes to learn of them one by one.
    faults = [
        _target_fault(target, target_texts, lines, classify),
        _missing_fault({task: task_texts}, lines, "remove the rows"),
        _missing_fault(columns, lines, None),
        *_feature_faults(columns, lines),
    ]
    if any(faults):
        raise CompareError("; ".join(fault for fault in faults if fault))
    labels, codes = np.unique(_numbers_if_all(task_texts), return_inverse=True)
    y, classes = _target(target_texts, classify)
    X, names = _features(columns)
    table = Table(path.name, target, task, X, y, codes, labels, names, classes)
    if classes is not None:
        table = _without_one_class_tasks(table)
    if table.n_tasks < 2:
        raise CompareError(f"--task {task}: there is one task only, so nothing to compare")
    if table.n_tasks == len(table.y):
        raise CompareError(f"--task {task}: every row has a label of its own; are these the tasks?")
    _note_constant(table)
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
        raise CompareError(f"{path} is not UTF-8 text{_first_bad_byte(path)}") from error
    except csv.Error as error:
        raise CompareError(f"{path} is no CSV file: {error}") from error
    if not names or not rows:
        raise CompareError(f"{path} has no rows; expected a header line and rows below it")
    names, rows = _without_empty_columns(names, rows)
    for name in names:
        if name and names.count(name) > 1:
            raise CompareError(f"{path} has {names.count(name)} columns named {name!r}")
    if names.count("") > 1:
        places = [place for place, name in enumerate(names, start=1) if not name]
        raise CompareError(
            f"{path}: columns {_some(places, 5)} have values but no name: name them in the header"
        )
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise CompareError(
                f"{path}, line {line}: {len(row)} values, but the header names {len(names)} columns"
            )
    texts = ([text.strip() for text in column] for column in zip(*rows, strict=True))
    return dict(zip(names, texts, strict=True)), lines


def _without_empty_columns(
    names: list[str], rows: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """What is left without the nameless, empty columns that separators at the end of lines make."""
    n_named = len(names)
    while n_named and not names[n_named - 1]:
        n_named -= 1
    short = all(len(row) <= len(names) for row in rows)
    if n_named == len(names) or not short or any("".join(row[n_named:]).strip() for row in rows):
        return names, rows
    note(f"empty columns without a name are left out: {len(names) - n_named}")
    return names[:n_named], [row[:n_named] for row in rows]


def _first_bad_byte(path: Path) -> str:
    """Where a file stops being UTF-8, and what to do."""
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return (
            f" (byte 0x{data[error.start]:02x} in line {line}; perhaps Latin-1 or Windows-1252): "
            "save it as CSV in UTF-8"
        )
    return "; save it as CSV in UTF-8"


def _missing_fault(
    columns: dict[str, list[str]], lines: list[int], remedy: str | None
) -> str | None:
    """Which columns have holes; the remedy for features is to leave them out."""
    holes = []
    for name, texts in columns.items():
        empty = [line for text, line in zip(texts, lines, strict=True) if text in _MISSING]
        if empty:
            more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
            holes.append((name, f"column {name!r} lacks a value in line {empty[0]}{more}"))
    if not holes:
        return None
    drop = " ".join(f"--drop {name!r}" for name, _ in holes)
    where = ", ".join(text for _, text in holes)
    return f"{where}: fill in the values, or {remedy or f'pass {drop}'}"


def _feature_faults(columns: dict[str, list[str]], lines: list[int]) -> Iterator[str]:
    """Columns that are neither numbers nor categories."""
    for name, texts in columns.items():
        given = [(t, line) for t, line in zip(texts, lines, strict=True) if t not in _MISSING]
        values = [_number(text) for text, _ in given]
        odd = [place for place, value in zip(given, values, strict=True) if value is None]
        infinite = [
            line
            for (_, line), value in zip(given, values, strict=True)
            if value is not None and not math.isfinite(value)
        ]
        n_levels = len({text for text, _ in given})
        if not odd:
            if infinite:
                yield f"column {name!r} has an infinite value in line {infinite[0]}"
        elif len(odd) <= len(given) / 2:
            text, line = odd[0]
            yield (
                f"column {name!r} holds numbers but for {len(odd)} of {len(given)} values "
                f"({text!r} in line {line}): put numbers there, or pass --drop {name!r}"
            )
        elif n_levels > _MAX_CATEGORIES or 2 < n_levels == len(given):
            text, line = odd[0]
            yield (
                f"column {name!r} is text ({text!r} in line {line}) with {n_levels} different "
                f"values, too many to one-hot encode: {_how_to_write(text)}pass --drop {name!r}"
            )


def _how_to_write(text: str) -> str:
    """Advice for a number in a format of its own, ending in "or "; "" for any other text."""
    plain = _plain_number(text)
    return f"write such numbers as {plain}, or " if plain is not None else ""


def _plain_number(text: str) -> str | None:
    """The number in "80,000", "66,26", "$74.69" or "45,000 kms" as Python writes it."""
    found = _DRESSED_NUMBER.fullmatch(text)
    if found is None or _number(text) is not None:
        return None
    digits = found["number"]
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    digits = digits.replace(",", ".") if digits.count(",") == 1 and "." not in digits else digits
    return digits if _number(digits) is not None else None


def _number(text: str) -> float | None:
    """The text's number, None if it is not one (Python's ``1_000`` is not)."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _numbers_if_all(texts: list[str]) -> AnyArray:
    values = [_number(text) for text in texts]
    return np.array(texts if None in values else values)


def _target_fault(name: str, texts: list[str], lines: list[int], classify: bool) -> str | None:
    if classify:
        levels = np.unique(_numbers_if_all(texts))
        if len(levels) != 2:
            shown = _some([_label_text(level) for level in levels], 5)
            return f"--target {name}: --classify needs two classes, got {shown}"
        return None
    values = [_number(text) for text in texts]
    odd = [
        (text, line)
        for text, value, line in zip(texts, values, lines, strict=True)
        if value is None or not math.isfinite(value)
    ]
    if not odd:
        return None
    text, line = odd[0]
    more = f" (and {len(odd) - 1} more)" if 1 < len(odd) < len(texts) else ""
    fault = f"--target {name}: {text!r} in line {line} is not a finite number{more}"
    plain = _plain_number(text)
    if plain is not None:
        return f"{fault}: write it as {plain}"
    if len(set(texts)) == 2:
        return f"{fault}; if the target is one of two classes, add --classify"
    if len(odd) <= len(texts) / 2:
        return f"{fault}: put numbers there, or leave them empty to leave out these rows"
    return f"{fault}; --classify takes two classes, here are {len(set(texts))}"


def _target(texts: list[str], classify: bool) -> tuple[FloatArray, list[str] | None]:
    if classify:
        levels, codes = np.unique(_numbers_if_all(texts), return_inverse=True)
        return codes.astype(np.float64), [str(level) for level in levels]
    return np.array([float(text) for text in texts]), None


def _features(columns: dict[str, list[str]]) -> tuple[FloatArray, list[str]]:
    blocks, names, encoded = [], [], []
    for name, texts in columns.items():
        values = [_number(text) for text in texts]
        if None not in values:
            column = np.array(values, dtype=np.float64)
            whole = bool((column == np.rint(column)).all())
            if whole and len(column) > 2 and len(np.unique(column)) == len(column):
                note(
                    f"column {name!r} has a different whole number in every row: if it numbers or "
                    f"names the rows, pass --drop {name!r}"
                )
            blocks.append(column)
            names.append(name)
            continue
        levels, codes = np.unique(np.array(texts), return_inverse=True)
        blocks.extend((codes == level).astype(np.float64) for level in range(len(levels)))
        names.extend(f"{name}={level}" for level in levels)
        plain = [_plain_number(text) for text in texts]
        if None not in plain:
            example = f"; write {texts[0]!r} as {plain[0]} to use them as numbers"
            encoded.append(f"{name} ({len(levels)}{example})")
        else:
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
    shown = _some([_label_text(label) for label in table.labels[alone]], 5)
    note(f"tasks with one class only are left out: {shown}; {alone[table.codes].sum()} rows")
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


def _note_constant(table: Table) -> None:
    order = np.argsort(table.codes, kind="stable")
    X, starts = table.X[order], np.flatnonzero(np.diff(table.codes[order], prepend=-1))
    varies = np.any(np.maximum.reduceat(X, starts) != np.minimum.reduceat(X, starts), axis=0)
    constant = np.flatnonzero(~varies & (np.ptp(X, axis=0) > 0.0))
    if len(constant):
        names = [table.feature_names[j] for j in constant]
        note(
            f"constant within every {table.task}: {_some(names, 5)}; what they do is inside the "
            "intercepts of all models but the pooled ridge"
        )


def _label_text(label: Any) -> str:
    """A label as in the file: whole numbers without a decimal point."""
    return f"{label:g}" if isinstance(label, float) else str(label)


def note(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)


def _some(values: Collection[Any], limit: int) -> str:
    """The first few values, and how many there are."""
    shown = ", ".join(map(str, islice(values, limit)))
    return shown + (f", ... ({len(values)} in all)" if len(values) > limit else "")
