"""CSV files: their encoding, their separator, and the line that names the columns."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._error import CompareError

_PACKED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
_SEPARATORS = ",;\t|"
# Rows that are looked at to tell the separator.
_LOOKED_AT = 200


@dataclass(frozen=True)
class _Layout:
    """How the text is cut into cells."""

    separator: str
    skip: int = 0  # lines above the names of the columns
    row_names: bool = False  # the rows have a cell more, in front: R's row names

    def options(self) -> dict[str, Any]:
        """For `pandas.read_csv`: all cells as text."""
        return {
            "sep": r"\s+" if self.separator == " " else self.separator,
            "skiprows": self.skip,
            "dtype": str,
            "keep_default_na": False,
            "skipinitialspace": True,
        }


def read_csv(pd: Any, path: Path, encoding: str | None, notes: list[str]) -> Any:
    """A frame of texts."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CompareError(f"{path}: {error.strerror}") from error
    for magic, unpacked in _PACKED.items():
        if raw.startswith(magic):
            try:
                raw = unpacked(raw)
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise CompareError(f"{path} cannot be unpacked: {error}") from error
    text = _decoded(path, raw, encoding, notes)
    lines = io.StringIO(text, newline=None).read()  # all line ends alike
    layout = _layout(path, lines, notes)
    options = layout.options()
    try:
        index = None if layout.row_names else False
        with warnings.catch_warnings():
            # Rows that end in a separator: a cell more, without a name.
            warnings.filterwarnings("ignore", "Length of header", pd.errors.ParserWarning)
            frame = pd.read_csv(io.StringIO(lines), index_col=index, **options)
        named = pd.read_csv(io.StringIO(lines), header=None, nrows=1, **options)
    except pd.errors.EmptyDataError:
        raise CompareError(
            f"{path} has no rows; expected a header line and rows below it"
        ) from None
    except (pd.errors.ParserError, ValueError) as error:
        text = re.sub(r"^Error tokenizing data\. C error: ", "", str(error)).strip()
        raise CompareError(f"{path} is no table with one separator: {text}") from error
    notes.extend(_named_twice(named.iloc[0].tolist(), frame.columns.tolist()))
    if layout.row_names:
        frame = frame.reset_index(names="row names")
    return frame.fillna("")


# --- cells ---------------------------------------------------------------------------------------


def _layout(path: Path, lines: str, notes: list[str]) -> _Layout:
    """The separator by which most rows have the same number of cells, and where they begin.

    What stands above the first row of that many cells is a title. A first line that lacks one cell
    is one of names, and the rows have names too; or they end in a separator.
    """
    first = next((line.strip() for line in lines.split("\n") if line.strip()), "")
    said = re.fullmatch(r'"?sep=(.)"?\1?', first)  # for Excel: "sep=;"
    if said:
        return _Layout(said[1], lines.split("\n").index(first) + 1)
    best, widths, width = " ", _widths(lines, " "), 0
    share = 0.0
    for separator in _SEPARATORS:
        found = _widths(lines, separator)
        counts = Counter(cells for _, cells, _ in found if cells > 1)
        if counts:
            most = max(counts, key=lambda cells: (counts[cells], cells))
            if (counts[most] / len(found), most) > (share, width):
                share, width = counts[most] / len(found), most
                best, widths = separator, found
    if not width:  # spaces, if that makes a table
        counts = Counter(cells for _, cells, _ in widths[1:])
        width = next(iter(counts)) if len(counts) == 1 else 0
        if width < 2 or widths[0][1] not in (width, width - 1):
            if not first:
                return _Layout(",")
            raise CompareError(
                f"{path}: the first line, {first[:80]!r}, names one column only: delete what is "
                "above the names of the columns, or separate these by commas, semicolons or tabs"
            )
    head = next(i for i, (_, cells, _) in enumerate(widths) if cells >= width)
    if head == 1 and widths[0][1] == width - 1:
        ended = all(not last for _, cells, last in widths[1:] if cells == width)
        return _Layout(best, 0, not ended)
    above = widths[head][0] if head else 0
    if above:
        notes.append(f"what is above the names of the columns is skipped (lines: {above}): {first}")
    return _Layout(best, above)


def _widths(lines: str, separator: str) -> list[tuple[int, int, str]]:
    """Of the first rows that are not blank: lines above, number of cells, the last of these."""
    text = (line.strip(" ") + "\n" for line in lines.split("\n"))
    reader = csv.reader(text, delimiter=separator, skipinitialspace=True)
    found: list[tuple[int, int, str]] = []
    above = 0
    try:
        for cells in reader:
            if any(cells):
                found.append((above, len(cells), cells[-1]))
            if len(found) == _LOOKED_AT:
                break
            above = reader.line_num
    except csv.Error:  # a cell of many lines: a quotation mark that is none
        pass
    return found


def _named_twice(named: list[str], read: list[str]) -> Iterator[str]:
    """Columns of one name are told apart by pandas' numbers behind it."""
    for name in dict.fromkeys(n for n in named if n.strip() and named.count(n) > 1):
        now = [column for column, n in zip(read, named, strict=False) if n == name]
        yield f"{len(now)} columns are named {name!r}: read as {', '.join(now)}"


# --- bytes ---------------------------------------------------------------------------------------


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
