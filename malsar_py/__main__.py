"""The command line: ``python -m malsar_py``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from ._compare import compare
from ._compare._measure import LOSSES
from ._compare._result import Comparison, write_text
from ._saved import LEVELS
from ._table import CompareError

# What is said about columns, and so about a file.
_OF_A_FILE = (
    *("task", "target", "classify", "drop", "keep", "id", "date", "missing", "time", "group"),
    "encoding",
)

_PROG = "python -m malsar_py"

_ABOUT = """\
Regularised multi-task learning with a certificate of optimality.

With no command: compare models on the shipped Exam data, that is
    python -m malsar_py compare
"""

_COMPARE = """\
Run many procedures on a table and say which predicts best, and whether clearly.

Each is judged on rows that it has not seen, with everything it has to choose chosen by
cross-validation on the others: the rows of each task are dealt into five folds. References are the
mean, one ridge for all rows, one per task, one with a dummy for each task, and gradient boosting.
With no FILE this is done on the shipped Exam data: 4,059 pupils in 65 inner London schools, one
task per school.

The results go to standard output, progress and notes to standard error.
"""

_FORMAT = """\
FILE is CSV (commas, semicolons, tabs; UTF-8 or Windows-1252; decimal points or commas) or Parquet;
it needs pip install "malsar_py[table]". Text columns are one-hot encoded, dates become numbers,
missing values are filled in and marked. Columns that number or name the rows are set aside, and it
is said which.

examples:
  python -m malsar_py compare
  python -m malsar_py compare --per-task --plot pictures
  python -m malsar_py compare exam.csv --task school --target normexam --drop student
  python -m malsar_py compare mines.csv --task field --target mine --classify --json mines.json
  python -m malsar_py compare sales.csv --task store --target sales --time week --loss poisson
"""


_PREDICT = """\
Predict the rows of a file by a model that compare --save kept.

The file has the columns that the model was fitted with, in any order; others are not used. Missing
values are filled in as at training; rows of tasks that the model does not know are predicted by
what the tasks have in common. A line for each row goes to standard output: its number, its task and
its prediction, with the probability of each class or, by --intervals, the interval in which a new
value lies with probability --level.

A file of a model holds no code: one from elsewhere can be wrong, but it never runs anything.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help explains the usage)\n")


def _parser() -> _Parser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog=_PROG, description=_ABOUT, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"malsar_py {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", required=True
    )
    compare = commands.add_parser(
        "compare",
        help="fit every model to a table and say which predicts best",
        description=_COMPARE,
        epilog=_FORMAT,
        formatter_class=raw,
    )
    add = compare.add_argument
    add("file", nargs="?", metavar="FILE", type=Path, help="the table (default: Exam)")
    columns: dict[str, Any] = {"metavar": "COLUMN", "action": "append", "default": []}
    add("--task", metavar="COLUMN", help="column of the task labels")
    add("--target", metavar="COLUMN", help="column to predict")
    add("--classify", action="store_true", help="the target is one of two or more classes")
    add("--loss", choices=LOSSES, help="of numbers (default: squared)")
    add("--drop", help="not a feature (repeatable, as all COLUMN options below)", **columns)
    add("--keep", help="a feature, though it looks like an identifier", **columns)
    add("--id", help="names rows: not a feature", **columns)
    add("--date", help="holds dates", **columns)
    number: dict[str, Any] = {"metavar": "NUMBER", "type": float, "action": "append", "default": []}
    add("--missing", help="means missing, such as -999 (repeatable)", **number)
    add("--time", metavar="COLUMN", help="train on what came before the rows that are tested")
    add("--group", metavar="COLUMN", help="rows of one group are not split")
    add("--new-tasks", action="store_true", help="hold whole tasks out")
    add("--encoding", metavar="NAME", help="of a CSV file (default: UTF-8, else Windows-1252)")
    add("--models", metavar="A,B", default="", help="these, or all (default: the quick ones)")
    add("--repeats", metavar="N", type=_count, help="number of splits (default: 5)")
    add("--jobs", metavar="N", type=int, default=None, help="processes over the splits (-1: all)")
    add("--seed", metavar="N", type=_seed, default=0, help="of splits and folds (default: 0)")
    add("--per-task", action="store_true", help="also say which tasks gain and which lose")
    add("--report", metavar="OUT.html", type=Path, help="also write a page to hand on")
    add("--save", metavar="OUT.skops", type=Path, help="also keep the best model, for predict")
    add("--plot", metavar="DIR", type=Path, help="also write pictures (PNG) into this folder")
    add("--json", metavar="OUT", type=Path, help="also write the results to this file, as JSON")
    predict = commands.add_parser(
        "predict",
        help="predict the rows of a file by a model that was kept",
        description=_PREDICT,
        formatter_class=raw,
    )
    add = predict.add_argument
    add("model", metavar="MODEL.skops", type=Path, help="what compare --save wrote")
    add("file", metavar="FILE", type=Path, help="CSV or Parquet")
    add("--output", metavar="OUT.csv", type=Path, help="write to this file, not to the screen")
    add("--intervals", action="store_true", help="say where a new value probably lies")
    add("--level", type=float, choices=LEVELS, default=0.95, help="of intervals (default: 0.95)")
    add("--encoding", metavar="NAME", help="of a CSV file (default: UTF-8, else Windows-1252)")
    return parser


def _seed(text: str) -> int:
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 0 to 4294967295")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code (argparse itself exits on --help and misuse)."""
    parser = _parser()
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = parser.parse_args(arguments or ["compare"])
    try:
        _predict(options) if options.command == "predict" else _run(options, parser)
    except CompareError as error:
        print(f"{_PROG}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return 0


def _predict(options: argparse.Namespace) -> None:
    """Read the model and the file, write predictions."""
    from ._predict import predict

    given = vars(options)
    names = ("model", "file", "output", "intervals", "level", "encoding")
    predict(**{name: given[name] for name in names})


def _run(options: argparse.Namespace, parser: _Parser) -> None:
    """Compare, print, write."""
    from_file = {"--task": options.task, "--target": options.target}
    if options.file is not None:
        missing = [name for name, value in from_file.items() if value is None]
        if missing:
            parser.error(f"{options.file}: also say which column by {' and '.join(missing)}")
    elif any(getattr(options, name) for name in _OF_A_FILE):
        named = ", ".join(f"--{name}" for name in _OF_A_FILE)
        parser.error(f"{named} go with a FILE")
    _refuse(options)
    found = compare(
        options.file,
        **{name: getattr(options, name) for name in ("task", "target", *_OF_A_FILE[2:])},
        loss=options.loss,
        models=[name.strip() for name in options.models.split(",") if name.strip()],
        seed=options.seed,
        n_jobs=options.jobs,
        repeats=options.repeats,
        new_tasks=options.new_tasks,
        verbose=1,
    )
    print(found.text(per_task=options.per_task))
    _write(found, options)


def _refuse(options: argparse.Namespace) -> None:
    """Say what cannot be written before the work rather than after it."""
    for option in ("json", "report", "save"):
        if getattr(options, option) is not None:
            _refuse_unwritable(getattr(options, option), f"--{option}")
    if options.report is not None:
        _refuse_without("--report", "table", "jinja2", "matplotlib")
    if options.save is not None:
        _refuse_without("--save", "table", "skops")
    if options.plot is not None:
        _refuse_no_folder(options.plot)


def _write(found: Comparison, options: argparse.Namespace) -> None:
    """All that was asked for beside the table."""
    if options.json is not None:
        write_text(options.json, json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n")
    if options.report is not None:
        found.report(options.report)
        print(f"report written to {options.report}", file=sys.stderr)
    if options.save is not None:
        _save(found, options.save)
    if options.plot is not None:
        from ._compare._pictures import draw

        written = draw(found, options.plot)
        print(f"{written} pictures written to {options.plot}", file=sys.stderr)


def _save(found: Comparison, path: Path) -> None:
    """Keep the model; say which, if it is not the best one, and whose error the table shows."""
    kept = found.save(path)
    other = "" if kept == found.winner.name else f" ({found.winner.name} cannot be kept: trees)"
    kinds = [row.kind for row in found.procedures if row.kind != "chosen"]
    n = len(kinds) if kept == found.winner.name else kinds.count("sharing")
    flattered = f", flattered a little as the best of {n}" if n > 1 else ""
    print(
        f"{kept} kept in {path}{other}: fitted to all {found.n_rows} rows; its {found.metric} "
        f"above is of fits to the training rows of the splits{flattered}",
        file=sys.stderr,
    )


def _refuse_unwritable(path: Path, option: str) -> None:
    """Say so before the work rather than after it."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CompareError(f"{option}: cannot write {path}")


def _refuse_no_folder(folder: Path) -> None:
    """The same for pictures; the folder is made when they are drawn."""
    _refuse_without("--plot", "plot", "matplotlib")
    existing = folder if folder.exists() else folder.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise CompareError(f"--plot: cannot write into {folder}")


def _refuse_without(option: str, extra: str, *packages: str) -> None:
    """The same where packages are not installed."""
    for name in packages:
        try:
            importlib.import_module(name)
        except ImportError:
            raise CompareError(
                f'{option} needs {name}: pip install "malsar_py[{extra}]", or leave it out'
            ) from None


if __name__ == "__main__":
    sys.exit(main())
