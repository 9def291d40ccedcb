"""Files and data frames of any library as pandas frames of numbers, texts and dates."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ._csv import read_csv
from ._error import CompareError
from ._numbers import decimal_comma, number

# What people write for "missing"; pandas' and skrub's words, and those of other programs.
_MISSING = frozenset(
    [
        *("", "?", "-", "--", ".", "...", "na", "n/a", "<na>", "#n/a", "#na", "nan", "-nan"),
        *("null", "none", "missing", "nat", "#null!", "#div/0!", "#value!"),
    ]
)
# Among labels these are names: a diagnosis of "none", the classes "+" and "-".
_NAMES = frozenset(["-", "--", ".", "...", "none", "missing"])
# Texts that are no numbers, in a column of numbers, are read as missing up to this share.
_FEW = 0.1


def import_pandas() -> Any:
    """Pandas, or an error that says how to get it."""
    try:
        import pandas
        import skrub  # noqa: F401
    except ImportError as error:
        raise CompareError(
            f'reading a table needs {error.name}: pip install "malsar_py[table]" '
            "(only the shipped Exam data do without)"
        ) from None
    return pandas


def read_frame(
    data: Any, encoding: str | None = None, labels: Collection[str] = ()
) -> tuple[Any, list[str]]:
    """A pandas frame with tidy columns, and what is to be said about its reading.

    data : path of a CSV or Parquet file, or a frame of pandas, polars or Arrow.
    labels : columns of names, which are numbers only if all of them are.
    """
    pd = import_pandas()
    notes: list[str] = []
    if isinstance(data, str | Path):
        path = Path(data)
        parquet = path.suffix.lower() in (".parquet", ".pq")
        frame = _parquet(pd, path) if parquet else read_csv(pd, path, encoding, notes)
    elif isinstance(data, pd.DataFrame):
        # An index with names holds columns.
        named = all(n is not None and n not in data.columns for n in data.index.names)
        frame = data.reset_index(drop=not named)
    elif hasattr(data, "to_pandas"):  # polars, Arrow
        frame = data.to_pandas()
    else:
        raise CompareError(
            "data must be the path of a CSV or Parquet file or a data frame of pandas, polars or "
            f"Arrow, got {type(data).__name__}"
        )
    if not len(frame) or not len(frame.columns):
        where = data if isinstance(data, str | Path) else "the table"
        raise CompareError(f"{where} has no rows; expected a header line and rows below it")
    frame.columns = [str(name).strip() for name in frame.columns]
    if not frame.columns.is_unique:
        twice = sorted(set(frame.columns[frame.columns.duplicated()]))
        raise CompareError(f"several columns are named {', '.join(map(repr, twice))}")
    tidied = {n: tidy(pd, frame[n], notes, label=n in labels) for n in frame.columns}
    return pd.DataFrame(tidied), notes


def _parquet(pd: Any, path: Path) -> Any:
    try:
        return pd.read_parquet(path)
    except OSError as error:
        raise CompareError(f"{path}: {error.strerror or error}") from error
    except ImportError:
        raise CompareError(
            f'{path}: Parquet needs pyarrow: pip install "malsar_py[table]"'
        ) from None
    except Exception as error:  # pyarrow's own classes
        raise CompareError(f"{path} is no Parquet file: {error}") from error


def tidy(pd: Any, column: Any, notes: list[str], *, label: bool = False) -> Any:
    """Numbers as float64 or int64, dates as they are, everything else as text (None: missing)."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return pd.to_numeric(column.astype("float64") if column.isna().any() else column)
    texts = column.astype(object)
    missing = _MISSING - _NAMES if label else _MISSING
    given = [None if _is_missing(pd, value, missing) else str(value).strip() for value in texts]
    values = _plain_numbers(given) if label else _numbers(column.name, given, notes)
    if values is None:
        return pd.Series(given, name=column.name, dtype=object)
    whole = all(v is not None and v.is_integer() and abs(v) < 2**53 for v in values)
    dtype = "int64" if whole else "float64"
    numbers = [np.nan if v is None else v for v in values]
    return pd.Series(numbers, name=column.name, dtype="float64").astype(dtype)


def _is_missing(pd: Any, value: Any, words: frozenset[str]) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in words
    # Lists and arrays, of Parquet, are texts.
    return value is None or bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _plain_numbers(given: list[str | None]) -> list[float | None] | None:
    """Values of labels that are all numbers in the usual way of writing: "07" is a name."""
    known = [text for text in given if text is not None]
    if not known or any(number(t)[0] is None or (t[0] == "0" and t[1:2].isdigit()) for t in known):
        return None
    try:
        return [None if text is None else float(text) for text in given]
    except ValueError:  # in dress
        return None


def _numbers(name: str, given: list[str | None], notes: list[str]) -> list[float | None] | None:
    """Values of the texts, None if too few are numbers; it is said which are read as missing."""
    known = [text for text in given if text is not None]
    comma = decimal_comma(known)
    read = [(None, "") if text is None else number(text, comma) for text in given]
    values = [value for value, _ in read]
    odd = [i for i, text in enumerate(given) if text is not None and values[i] is None]
    if not known or len(odd) > _FEW * len(known):
        return None
    units = list(dict.fromkeys(unit for _, unit in read if unit))
    if len(units) > 1:
        notes.append(
            f"column {name!r} has numbers of several units ({', '.join(units[:5])}): read as text"
        )
        return None
    if odd:
        notes.append(
            f"column {name!r} holds numbers but for {len(odd)} of {len(known)} values "
            f"({given[odd[0]]!r} in row {odd[0] + 1}): these are read as missing"
        )
    return values
