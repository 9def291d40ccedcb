"""Files and data frames of any library as pandas frames of numbers, texts and dates."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# What people write for "missing"; pandas' and skrub's words, and those of other programs.
_MISSING = frozenset(
    [
        *("", "?", "-", "--", ".", "...", "na", "n/a", "<na>", "#n/a", "#na", "nan", "-nan"),
        *("null", "none", "missing", "nat", "#null!", "#div/0!", "#value!"),
    ]
)
# A number with a currency sign, separators or a unit: "$74.69", "80,000", "66,26", "45,000 kms".
_DRESSED = re.compile(
    r"[^\w\s.,+-]?\s*(?P<number>[-+]?\d[\d,.']*)(?:\s*%|\s+[^\W\d]+)?(?:\s*[^\w\s.,+-])?"
)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:[,']\d{3})+(?:\.\d+)?")
# Texts that are no numbers, in a column of numbers, are read as missing up to this share.
_FEW = 0.1


class CompareError(ValueError):
    """What the user can put right: shown as one line, without a traceback."""


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


def read_frame(data: Any, encoding: str | None = None) -> tuple[Any, list[str]]:
    """A pandas frame with tidy columns, and what is to be said about its reading.

    data : path of a CSV or Parquet file, or a frame of pandas, polars or Arrow.
    """
    pd = import_pandas()
    notes: list[str] = []
    if isinstance(data, str | Path):
        path = Path(data)
        parquet = path.suffix.lower() in (".parquet", ".pq")
        frame = _parquet(pd, path) if parquet else _csv(pd, path, encoding, notes)
    elif isinstance(data, pd.DataFrame):
        frame = data.reset_index(drop=True)
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
    return pd.DataFrame({name: tidy(pd, frame[name], notes) for name in frame.columns}), notes


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


def _csv(pd: Any, path: Path, encoding: str | None, notes: list[str]) -> Any:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CompareError(f"{path}: {error.strerror}") from error
    text = _decoded(path, raw, encoding, notes)
    lines = io.StringIO(text, newline=None).read()  # all line ends alike
    header = next((line.strip() for line in lines.split("\n") if line.strip()), "")
    separator = max(",;\t|", key=header.count)
    if header and separator not in header:
        raise CompareError(
            f"{path}: the first line, {header[:80]!r}, names one column only: delete what is above "
            "the names of the columns, or separate these by commas, semicolons or tabs"
        )
    as_text = {"sep": separator, "dtype": str, "keep_default_na": False, "skipinitialspace": True}
    try:
        frame = pd.read_csv(io.StringIO(lines), index_col=False, **as_text)
        named = pd.read_csv(io.StringIO(lines), header=None, nrows=1, **as_text)
    except pd.errors.EmptyDataError:
        raise CompareError(
            f"{path} has no rows; expected a header line and rows below it"
        ) from None
    except (pd.errors.ParserError, ValueError) as error:
        text = re.sub(r"^Error tokenizing data\. C error: ", "", str(error)).strip()
        raise CompareError(f"{path} is no table with one separator: {text}") from error
    notes.extend(_named_twice(named.iloc[0].tolist(), frame.columns.tolist()))
    return frame.fillna("")


def _named_twice(named: list[str], read: list[str]) -> Iterator[str]:
    """Columns of one name are told apart by pandas' numbers behind it."""
    for name in dict.fromkeys(n for n in named if n.strip() and named.count(n) > 1):
        now = [column for column, n in zip(read, named, strict=False) if n == name]
        yield f"{len(now)} columns are named {name!r}: read as {', '.join(now)}"


def _decoded(path: Path, raw: bytes, encoding: str | None, notes: list[str]) -> str:
    """The text of a file: UTF-8, else what most Western files are, which is noted."""
    if encoding is not None:
        try:
            return raw.decode(encoding)
        except (LookupError, UnicodeDecodeError) as error:
            raise CompareError(f"--encoding {encoding}: {path}: {error}") from error
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    try:
        return raw.decode(encoding or "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        if encoding or b"\x00" in raw:
            raise CompareError(
                f"{path} is not UTF-8 text (byte 0x{raw[error.start]:02x} in line {line}): save it "
                "as CSV in UTF-8, or name its encoding by --encoding"
            ) from error
        notes.append(
            f"not UTF-8 (byte 0x{raw[error.start]:02x} in line {line}): read as Windows-1252; "
            "--encoding names another"
        )
        return raw.decode("cp1252", errors="replace")


def tidy(pd: Any, column: Any, notes: list[str]) -> Any:
    """Numbers as float64 or int64, dates as they are, everything else as text (None: missing)."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return pd.to_numeric(column.astype("float64") if column.isna().any() else column)
    texts = column.astype(object)
    given = [None if _is_missing(pd, value) else str(value).strip() for value in texts]
    values, odd = _numbers(given)
    known = [i for i, text in enumerate(given) if text is not None]
    if known and len(odd) <= _FEW * len(known):
        if odd:
            first = odd[0]
            notes.append(
                f"column {column.name!r} holds numbers but for {len(odd)} of {len(known)} values "
                f"({given[first]!r} in row {first + 1}): these are read as missing"
            )
        whole = all(v is not None and v.is_integer() and abs(v) < 2**53 for v in values)
        dtype = "int64" if whole else "float64"
        numbers = [np.nan if v is None else v for v in values]
        return pd.Series(numbers, name=column.name, dtype="float64").astype(dtype)
    return pd.Series(given, name=column.name, dtype=object)


def _is_missing(pd: Any, value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _MISSING
    # Lists and arrays, of Parquet, are texts.
    return value is None or bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _numbers(given: list[str | None]) -> tuple[list[float | None], list[int]]:
    """Values of the texts, and the places of those that are no numbers."""
    comma = _decimal_comma([text for text in given if text is not None])
    values = [None if text is None else number(text, comma) for text in given]
    odd = [
        i for i, (t, v) in enumerate(zip(given, values, strict=True)) if t is not None and v is None
    ]
    return values, odd


def _decimal_comma(texts: list[str]) -> bool:
    """Whether commas are decimal points: some that cannot separate thousands, and no points."""
    commas = [text for text in texts if "," in text]
    if not commas or any(text.count(",") > 1 and "." not in text for text in commas):
        return False
    return any(not _THOUSANDS.fullmatch(_core(text) or "") for text in commas)


def _core(text: str) -> str | None:
    found = _DRESSED.fullmatch(text)
    return None if found is None else found["number"]


def number(text: str, comma: bool = False) -> float | None:
    """The text's number, also with a unit or separators; None if it is none (``1_000`` is not)."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        pass
    digits = _core(text)
    if digits is None:
        return None
    if comma:
        digits = digits.replace(".", "").replace("'", "").replace(",", ".")
    elif _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "").replace("'", "")
    try:
        return float(digits)
    except ValueError:
        return None
