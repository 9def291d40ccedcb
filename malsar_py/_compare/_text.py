"""What is printed and written: the table of procedures, the verdict, the tasks, the JSON file."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.stats import t as student

from .._typing import FloatArray
from ..plotting._draw import short_names
from ._result import CHOSEN, MEAN, SINGLE, Comparison, Procedure, TaskGain

# The worst of so many splits is odd if it is so much worse than the next.
_FEWEST_TO_DIFFER, _FAR_OFF = 3, 2.0

_SPLIT = {
    "rows": "each task's rows are dealt into five folds",
    "groups": "rows of one group stay together",
    "time": "trained on what came before",
    "tasks": "whole tasks are held out",
}


def comparison_text(found: Comparison, *, per_task: bool = False) -> str:
    """All that the command prints."""
    lines = [*table_lines(found), "", *verdict_lines(found)]
    if per_task:
        lines += ["", *task_lines(found)]
    return "\n".join(lines)


def table_lines(found: Comparison) -> Iterator[str]:
    """Lines of the table of procedures, at most 100 characters wide."""
    said = found.settings
    yield (
        f"{found.name}: {found.target} by {found.task}, {len(found.tasks)} tasks, "
        f"{found.n_features} features; {found.n_rows} rows, {said['repeats']} splits "
        f"(seed {said['seed']})"
    )
    yield ""
    headings = ["", "lambda1", "lambda2", "k", found.metric, "s.e.", "", found.second]
    headings += ["rel. gap", "CPU s"]
    yield from aligned(
        [headings, *(_cells(row, found) for row in found.procedures)],
        (-22, 9, 9, 3, 10, 8, -5, 8, 10, 8),
    )
    yield (
        f"{found.metric}: test rows, mean over the tasks and {said['repeats']} splits, s.e. over "
        f"the splits; {found.second}: all test rows"
    )
    yield (
        f"splits: {_SPLIT[said['split']]}; {said['n_tested']} rows of {said['n_test_tasks']} tasks "
        "were tested"
    )
    yield (
        f"lambdas (and k clusters): chosen on the training rows by {said['folds']}-fold CV, here "
        "their medians"
    )
    if found.verdicts:
        yield remark(found)
    yield from textwrap.wrap(uneven(found), 100)
    if said["untried"]:
        names = ", ".join(said["untried"])
        yield from textwrap.wrap(f"not tried, as they take longer: {names}; --models all does", 100)
    if any("Graph" in row.name for row in found.procedures):
        yield "chain: each task is tied to the next in the order of their mean target"
    yield "rel. gap: how far the final fits can be from their optima (objective at W = 0 is 1)"
    if any(_edge(row, name) for row in found.procedures for name in ("lambda1", "lambda2")):
        yield "*: mostly at the end of the values tried; a better one may lie beyond"
    if not all(row.converged for row in found.procedures):
        yield "!: a final fit missed its tolerance; raise max_iter to use such a setting"


def remark(found: Comparison) -> str:
    """What choosing a winner by the test rows does to its score."""
    n = sum(row.kind != "chosen" for row in found.procedures)
    return (
        f"best: the smallest of {n} on the same test rows, which flatters it a little; "
        '"chosen by CV" is not'
    )


def uneven(found: Comparison) -> str:
    """Procedures whose mean one split decides, "" if there are none."""
    names = [
        f"{row.name} ({score(row.scores.max())}, median {score(float(np.median(row.scores)))})"
        for row in found.procedures
        if row.kind != "chosen" and _odd_split(row.scores)
    ]
    if not names:
        return ""
    far = {"poisson", "gamma"} & {found.loss}
    why = ": an exponential grows fast beyond the rows that were fitted" if far else ""
    return f"uneven: one split decides the mean of {_listed(names)}{why}"


def _odd_split(scores: FloatArray) -> bool:
    """Whether the worst split is far from all others."""
    if len(scores) < _FEWEST_TO_DIFFER:
        return False
    *_, second, worst = np.sort(scores)
    return bool(worst > _FAR_OFF * second > 0.0)


def _cells(row: Procedure, found: Comparison) -> list[str]:
    k = row.typical("n_clusters")
    gap = "-" if math.isnan(row.relative_gap) else _gap(row.relative_gap)
    return [
        row.name,
        _strength(row, "lambda1"),
        _strength(row, "lambda2"),
        "" if k is None else f"{k:g}",
        score(row.mean),
        score(row.standard_error) if math.isfinite(row.standard_error) else "-",
        "best" if row is found.winner else "",
        score(float(row.second.mean())),
        gap + ("" if row.converged else "!"),
        "" if row.kind == "chosen" else f"{row.seconds:.1f}",
    ]


def aligned(rows: list[list[str]], widths: tuple[int, ...]) -> Iterator[str]:
    """Rows below a heading, between rules; columns of so many letters, to the left if negative.

    A column that needs more is as wide as it needs to be, and never touches the one before it.
    """
    columns: list[list[str]] = []
    for cells, width in zip(zip(*rows, strict=True), widths, strict=True):
        pad = str.ljust if width < 0 else str.rjust
        shown = [f" {cell}" if width < 0 and columns else cell for cell in cells]
        needed = max(map(len, shown)) + (width > 0 or not columns)  # a space between
        columns.append([pad(cell, max(abs(width), needed)) for cell in shown])
    heading, *lines = ("".join(line).rstrip() for line in zip(*columns, strict=True))
    rule = "-" * max(map(len, (heading, *lines)))
    yield from (heading, rule, *lines, rule)


def score(value: float) -> str:
    """Four decimals, or four digits where these would say nothing; fewer for large numbers."""
    if value and abs(value) < 1e-3:
        return f"{value:.3e}"
    return f"{value:.4f}" if not abs(value) >= 1e5 else f"{value:.7g}"


def _signed(value: float) -> str:
    return ("+" if value >= 0.0 else "") + score(value)


def _edge(row: Procedure, parameter: str) -> bool:
    return row.kind != "chosen" and 2 * row.edges.get(parameter, 0) > len(row.scores)


def _strength(row: Procedure, parameter: str) -> str:
    value = None if row.kind == "chosen" else row.typical(parameter)
    text = f"{value:.3g}" if value else "-"
    if not _edge(row, parameter):
        return text
    return f"{text if len(text) < 8 else f'{value:.2g}'}*"  # as wide as without the mark


def _gap(value: float) -> str:
    # Below rounding the sign of a gap means nothing.
    return f"{value:.0e}" if value >= 1e-15 else "< 1e-15"


# --- the verdict ---------------------------------------------------------------------------------


def verdict_lines(found: Comparison) -> Iterator[str]:
    """The comparisons with the references, and the sentence."""
    if found.verdicts:
        yield (
            f"How much smaller is the {found.metric} of sharing (model and strengths chosen by CV "
            "on training rows)?"
        )
        yield ""
        rows = []
        for v in found.verdicts:
            known = math.isfinite(v.low)
            interval = f"[{_signed(v.low)}, {_signed(v.high)}]" if known else "-"
            clear = f"clearly {v.clear}" if v.clear else "not clear"
            rows.append(
                [f"than {v.reference}", _signed(v.difference), interval, clear if known else ""]
            )
        yield from aligned([["", "", "95 % interval", ""], *rows], (-28, 12, 26, -16))
    yield from textwrap.wrap(sentence(found), 100)


def sentence(found: Comparison) -> str:
    """The verdict in one sentence."""
    best = found.winner
    text = f"{best.name} has the smallest {found.metric}, {score(best.mean)}"
    if not found.verdicts:
        return f"{text}."
    if not all(math.isfinite(v.low) for v in found.verdicts):
        return f"{text}; whether clearly takes three splits or more."
    groups: dict[str, list[str]] = {"better": [], "worse": [], "": []}
    for v in found.verdicts:
        groups[v.clear].append(v.reference)
    if MEAN not in groups["better"]:
        alone = next(p for p in found.procedures if p.name == MEAN)
        n = found.settings["repeats"]
        # Split by split, as if training parts had nothing in common: a weaker claim than "clear".
        d = alone.scores - best.scores
        apart = d.mean() > student.ppf(0.975, n - 1) * d.std(ddof=1) / np.sqrt(n)
        so = (
            f"; more may tell (--repeats {2 * n})"
            if apart
            else f", so the features say nothing sure about {found.target}"
        )
        return f"{text}; by these {n} splits sharing is not clearly better than the {MEAN}{so}."
    parts = []
    if groups["better"]:
        parts.append(f"is clearly better than {_listed(groups['better'])}")
    if groups[""]:
        parts.append(f"cannot be told from {_listed(groups[''])}")
    if groups["worse"]:
        parts.append(f"is clearly worse than {_listed(groups['worse'])}")
    return f"{text}; sharing {', '.join(parts)}."


def _listed(names: list[str]) -> str:
    names = [f"the {name}" if name == MEAN else name for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- task by task --------------------------------------------------------------------------------


def task_lines(found: Comparison) -> Iterator[str]:
    """Lines of the table of tasks, at most 100 characters wide."""
    yield f"{found.metric} of each {found.task}: {SINGLE} against {CHOSEN}"
    yield ""
    names = short_names((gain.task for gain in found.gains), 20)
    headings = ["task", "rows", "for all", "single-task", "sharing", "gain", "95 % interval", ""]
    rows = [_task_cells(name, gain) for name, gain in zip(names, found.gains, strict=True)]
    yield from aligned([headings, *rows], (-21, 6, 10, 12, 10, 10, 22, -6))
    if found.gains:
        yield gain_sentence(found.gains)
        yield "HURTS, clearly: 0 is outside the interval, of the paired losses of its test rows"


def _task_cells(name: str, gain: TaskGain) -> list[str]:
    known = math.isfinite(gain.low)
    return [
        name,
        str(gain.n),
        score(gain.pooled),
        score(gain.single),
        score(gain.shared),
        _signed(gain.gain),
        f"[{_signed(gain.low)}, {_signed(gain.high)}]" if known else "-",
        gain.flag,
    ]


def gain_sentence(gains: list[TaskGain]) -> str:
    """How many tasks gain and lose by sharing."""
    gain = np.array([task.gain for task in gains])
    clear = np.array([task.clear for task in gains])
    helps, hurts = gain > 0.0, gain < 0.0
    mean = _signed(float(gain.mean()))
    return (
        f"sharing helps {helps.sum()} of {len(gains)} tasks, clearly {(helps & clear).sum()}; "
        f"hurts {hurts.sum()}, clearly {(hurts & clear).sum()}; mean gain {mean}"
    )


# --- the file ------------------------------------------------------------------------------------


def as_dict(found: Comparison) -> dict[str, Any]:
    """All numbers as plain Python; those that are not finite are None."""
    plain = {
        "malsar_py": found.versions.get("malsar_py"),
        "command": found.command,
        "versions": found.versions,
        "data": found.name,
        "task": found.task,
        "target": found.target,
        "kind": found.kind,
        "loss": found.loss,
        "metric": found.metric,
        "second": found.second,
        "classes": found.classes,
        "n_rows": found.n_rows,
        "n_features": found.n_features,
        "columns": [asdict(column) for column in found.columns],
        "notes": found.notes,
        "n_rows_of_tasks": found.tasks,
        "left_out": found.left_out,
        "settings": found.settings,
        "verdict": sentence(found),
        "winner": found.winner.name,
        "model_parameters": found.model_parameters,
        "procedures": [
            {
                **{k: v for k, v in vars(row).items()},
                "mean": row.mean,
                "standard_error": row.standard_error,
            }
            for row in found.procedures
        ],
        "verdicts": [{**asdict(v), "clear": v.clear} for v in found.verdicts],
        "tasks": [{**asdict(gain), "clear": gain.clear} for gain in found.gains],
    }
    return _plain(plain)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items() if k != "graph"}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
