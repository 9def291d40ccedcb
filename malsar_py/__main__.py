"""The command line: ``python -m malsar_py``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import __version__
from ._compare import run
from ._table import CompareError

_PROG = "python -m malsar_py"

_ABOUT = """\
Regularised multi-task learning with a certificate of optimality.

With no command: compare all models on the shipped Exam data, that is
    python -m malsar_py compare
"""

_COMPARE = """\
Fit every model to a table and say which predicts best.

A quarter of the rows of each task is set aside (seeded); the features are standardised and the
lambdas chosen by cross-validation on the other three quarters; then every model is fitted on these
and tested on what was set aside. Two ridge models stand for no multi-task learning: one per task,
and one for all rows. With no FILE this is done on the shipped Exam data: 4,059 pupils in 65 inner
London schools, one task per school.

The table goes to standard output, progress and notes to standard error.
"""

_FORMAT = """\
FILE.csv has a header line and is separated by commas, semicolons or tabs. Columns of numbers are
used as they are, columns of text are one-hot encoded. Rows without a target are left out; a
missing feature or task label is an error (fill it in, or leave the column out with --drop). The
graph of the Graph model is a chain: each task is tied to the next in the order of their mean
target.

examples:
  python -m malsar_py compare
  python -m malsar_py compare --per-task --plot pictures
  python -m malsar_py compare exam.csv --task school --target normexam --drop student
  python -m malsar_py compare mines.csv --task field --target mine --classify --json mines.json
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
    add("file", nargs="?", metavar="FILE.csv", type=Path, help="the table (default: Exam)")
    add("--task", metavar="COLUMN", help="column of the task labels")
    add("--target", metavar="COLUMN", help="column to predict")
    add("--classify", action="store_true", help="the target is one of two classes")
    add("--drop", metavar="COLUMN", action="append", default=[], help="not a feature (repeatable)")
    add("--seed", metavar="N", type=_seed, default=0, help="of the split and folds (default: 0)")
    add("--per-task", action="store_true", help="also say which tasks gain and which lose")
    add("--plot", metavar="DIR", type=Path, help="also write pictures (PNG) into this folder")
    add("--json", metavar="OUT", type=Path, help="also write the results to this file, as JSON")
    return parser


def _seed(text: str) -> int:
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 0 to 4294967295")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code (argparse itself exits on --help and misuse)."""
    parser = _parser()
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = parser.parse_args(arguments or ["compare"])
    from_file = {"--task": options.task, "--target": options.target}
    if options.file is not None:
        missing = [name for name, value in from_file.items() if value is None]
        if missing:
            parser.error(f"{options.file}: also say which column by {' and '.join(missing)}")
    elif any(from_file.values()) or options.classify or options.drop:
        parser.error("--task, --target, --classify and --drop go with a FILE.csv")
    try:
        run(
            options.file,
            task=options.task,
            target=options.target,
            classify=options.classify,
            drop=options.drop,
            seed=options.seed,
            per_task=options.per_task,
            json_path=options.json,
            plot_folder=options.plot,
        )
    except CompareError as error:
        print(f"{_PROG}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
