"""Tables of what was measured on grouped rows, and whether it is what was wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .pooling_data import CLASSIFICATION
from .report import markdown

if TYPE_CHECKING:
    from .pooling import Score

# Trees are no linear method; what is recommended for grouped rows, by kind of target.
_NOT_LINEAR = ("boosting",)
RECOMMENDED = {False: "MixedEffects by CV", True: "MeanRegularized kappa"}
_BASELINES = ("ridge + one-hot", "pooled ridge")
_COMMON = ("JointFeature common kappa", "TraceNorm common kappa")
_COVERAGE = (0.87, 0.93)

Cell = dict[str, dict[int, "Score"]]  # of a data set and share: method -> seed -> score


def cells_of(scores: Sequence[Score]) -> dict[tuple[str, float], Cell]:
    """By data set and share; without methods that are not for these data."""
    found: dict[tuple[str, float], Cell] = {}
    for score in scores:
        if score.by_task is not None:
            cell = found.setdefault((score.data, score.share), {})
            cell.setdefault(score.method, {})[score.seed] = score
    return found


def _values(scores: dict[int, Score], which: str) -> np.ndarray:
    return np.array([getattr(scores[seed], which) for seed in sorted(scores)], float)


def best_linear(cell: Cell) -> str:
    """The linear method of the smallest error, among those measured on all splits."""
    most = max(len(scores) for scores in cell.values())
    means = {
        method: _values(scores, "by_task").mean()
        for method, scores in cell.items()
        if method not in _NOT_LINEAR and len(scores) == most
    }
    return min(means, key=lambda method: means[method])


def against(cell: Cell, method: str, other: str) -> tuple[float, float]:
    """Per cent by which a method is worse than another on the splits of both, and the s.e."""
    seeds = sorted(set(cell[method]) & set(cell[other]))
    one = np.array([cell[method][seed].by_task for seed in seeds], float)
    rest = np.array([cell[other][seed].by_task for seed in seeds], float)
    mean = 100.0 * (one.mean() / rest.mean() - 1.0)
    each = 100.0 * (one - rest) / rest.mean()
    error = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan
    return float(mean), float(error)


def _cell_tables(cells: dict[tuple[str, float], Cell]) -> list[str]:
    texts = []
    for (name, share), cell in cells.items():
        rows = []
        for method, scores in cell.items():
            by_task, covered = _values(scores, "by_task"), _values(scores, "covered")
            n = len(by_task)
            spread = by_task.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
            rows.append(
                [
                    method,
                    str(n),
                    f"{by_task.mean():.4g}",
                    f"{spread:.2g}",
                    f"{_values(scores, 'pooled').mean():.4g}",
                    "" if np.isnan(covered).any() else f"{100.0 * covered.mean():.1f}",
                    f"{_values(scores, 'seconds').mean():.2g}",
                ]
            )
        what = "1 - AUC" if name in CLASSIFICATION else "RMSE"
        header = [
            *("method", "splits", f"{what}, mean of tasks", "s.e.", f"{what}, all rows"),
            *("% of rows in 90 % intervals", "CPU s"),
        ]
        texts.append(f"{name}, {100 * share:.0f} % to train\n\n{markdown(header, rows)}")
    return texts


def _summary(cells: dict[tuple[str, float], Cell]) -> str:
    """Per cent over the best linear method, cell by cell and on average."""
    methods = list(dict.fromkeys(method for cell in cells.values() for method in cell))
    header = ["method", *(f"{name} {100 * share:.0f}" for name, share in cells), "mean"]
    rows = []
    for method in methods:
        values = [
            against(cell, method, best_linear(cell))[0] if method in cell else np.nan
            for cell in cells.values()
        ]
        shown = ["-" if np.isnan(v) else f"{v:+.1f}" for v in values]
        rows.append([method, *shown, f"{np.nanmean(values):+.1f}"])
    return markdown(header, rows)


def verdicts(cells: dict[tuple[str, float], Cell]) -> list[str]:
    """What was wanted, and where it is not so."""
    missed, near, covered = [], [], []
    for (name, share), cell in cells.items():
        where = f"{name} {100 * share:.0f} %"
        chosen = RECOMMENDED[name in CLASSIFICATION]
        if chosen in cell:
            near.append(against(cell, chosen, best_linear(cell))[0] <= 1.0)
        for method, others, most in (
            (chosen, _BASELINES, 1.0),
            *((method, ("pooled ridge",), 2.0) for method in _COMMON),
        ):
            for other in others:
                if method not in cell or other not in cell:
                    continue
                worse, error = against(cell, method, other)
                if worse > most:
                    missed.append(f"{where}: {method} {worse:+.1f} % (s.e. {error:.1f}) on {other}")
        for method, scores in cell.items():
            share_in = _values(scores, "covered").mean()
            if np.isfinite(share_in):
                covered.append(_COVERAGE[0] <= share_in <= _COVERAGE[1])
                if not covered[-1]:
                    missed.append(
                        f"{where}: 90 % intervals of {method} hold {100 * share_in:.1f} %"
                    )
    return [
        f"the recommended method is within 1 % of the best linear one in {sum(near)}/{len(near)}",
        f"90 % intervals hold 87 to 93 % of the rows in {sum(covered)}/{len(covered)}",
        *missed,
    ]


def report(scores: Sequence[Score]) -> str:
    """All tables."""
    cells = cells_of(scores)
    seeds = sorted({score.seed for score in scores})
    lines = "\n".join(f"* {text}" for text in verdicts(cells))
    intro = (
        f"Seeds {', '.join(map(str, seeds))}. Per cent over the best linear method of the cell "
        "(mean over tasks):"
    )
    return "\n\n".join([intro, _summary(cells), f"Wanted:\n\n{lines}", *_cell_tables(cells)])
