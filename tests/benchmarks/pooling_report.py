"""Tables of what was measured on grouped rows, and whether it is what was wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .pooling_data import CLASSIFICATION
from .report import markdown, standard_error

if TYPE_CHECKING:
    from .pooling import Score

# Trees are no linear method; what is recommended for grouped rows, by kind of target: with
# cross-validation, and at once.
_NOT_LINEAR = ("boosting",)
RECOMMENDED = {False: ("MixedEffects by CV", "MixedEffects diag"), True: ("MeanRegularized kappa",)}
_BASELINES = ("ridge + one-hot", "pooled ridge")
_COMMON = ("JointFeature common kappa", "TraceNorm common kappa")
_COVERAGE = (87.0, 93.0)

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


def against(cell: Cell, method: str, other: str, which: str = "by_task") -> tuple[float, float]:
    """Per cent by which a method's figure is above another's on the splits of both, and the s.e."""
    seeds = sorted(set(cell[method]) & set(cell[other]))
    one = np.array([getattr(cell[method][seed], which) for seed in seeds], float)
    rest = np.array([getattr(cell[other][seed], which) for seed in seeds], float)
    mean = 100.0 * (one.mean() / rest.mean() - 1.0)
    each = 100.0 * (one - rest) / rest.mean()
    return float(mean), standard_error(each)


def _cell_tables(cells: dict[tuple[str, float], Cell]) -> list[str]:
    texts = []
    for (name, share), cell in cells.items():
        rows = []
        for method, scores in cell.items():
            by_task, covered = _values(scores, "by_task"), _values(scores, "covered")
            area = _values(scores, "auc")
            n = len(by_task)
            spread = standard_error(by_task)
            rows.append(
                [
                    method,
                    str(n),
                    f"{by_task.mean():.4g}",
                    f"{spread:.2g}",
                    f"{_values(scores, 'pooled').mean():.4g}",
                    "" if np.isnan(area).any() else f"{area.mean():.4g}",
                    "" if np.isnan(covered).any() else f"{100.0 * covered.mean():.1f}",
                    f"{_values(scores, 'seconds').mean():.2g}",
                ]
            )
        what = "log loss" if name in CLASSIFICATION else "RMSE"
        header = [
            *("method", "splits", f"{what}, mean of tasks", "s.e.", f"{what}, all rows"),
            *("AUC, mean of tasks", "% of rows in 90 % intervals", "CPU s"),
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
    lines = []
    for method in dict.fromkeys(m for known in RECOMMENDED.values() for m in known):
        own = {
            where: cell
            for where, cell in cells.items()
            if method in cell and method in RECOMMENDED[where[0] in CLASSIFICATION]
        }
        lines += _recommended(method, own) if own else []
    return lines + [line for method in _COMMON for line in _worse(method, "pooled ridge", cells, 2)]


def _recommended(method: str, cells: dict[tuple[str, float], Cell]) -> list[str]:
    worse = [against(cell, method, best_linear(cell)) for cell in cells.values()]
    near = sum(per_cent <= 1.0 for per_cent, _ in worse)
    clear = sum(per_cent > 1.0 and per_cent > 2.0 * error for per_cent, error in worse)
    lines = [
        f"{method}: within 1 % of the best linear method in {near}/{len(worse)}, clearly (by two "
        f"s.e., too) farther from it in {clear}"
    ]
    for other in _BASELINES:
        lines += _worse(method, other, cells, 1)
    covered = {
        where: 100.0 * _values(cell[method], "covered")
        for where, cell in cells.items()
        if cell[method][min(cell[method])].covered is not None
    }
    if covered:
        inside = sum(_COVERAGE[0] <= shares.mean() <= _COVERAGE[1] for shares in covered.values())
        lines.append(
            f"{method}: 90 % intervals hold 87 to 93 % of the rows in {inside}/{len(covered)}"
        )
    for (name, share), shares in covered.items():
        if not _COVERAGE[0] <= shares.mean() <= _COVERAGE[1]:
            error = standard_error(shares)
            lines.append(
                f"{name} {100 * share:.0f} %: 90 % intervals of {method} hold "
                f"{shares.mean():.1f} % (s.e. {error:.1f})"
            )
    return lines


def _worse(method: str, other: str, cells: dict[tuple[str, float], Cell], most: float) -> list[str]:
    """In how many cells a method is worse than another by more than so many per cent, and where."""
    both = {where: cell for where, cell in cells.items() if {method, other} <= set(cell)}
    found = {where: against(cell, method, other) for where, cell in both.items()}
    missed = {where: by for where, by in found.items() if by[0] > most}
    lines = [f"{method}: worse than {other} by more than {most} % in {len(missed)}/{len(both)}"]
    for (name, share), (worse, error) in missed.items():
        text = f"{name} {100 * share:.0f} %: {method} {worse:+.1f} % (s.e. {error:.1f}) on {other}"
        if name in CLASSIFICATION:
            area, error = against(both[name, share], method, other, "auc")
            text += f"; AUC {area:+.2f} % (s.e. {error:.2f})"
        lines.append(text)
    return lines if both else []


def _seeds(scores: Sequence[Score], name: str) -> str:
    return " ".join(map(str, sorted({s.seed for s in scores if s.data == name})))


def report(scores: Sequence[Score]) -> str:
    """All tables."""
    cells = cells_of(scores)
    seeds = [f"{name} {_seeds(scores, name)}" for name in dict.fromkeys(s.data for s in scores)]
    lines = "\n".join(f"* {text}" for text in verdicts(cells))
    intro = (
        f"Seeds: {'; '.join(seeds)}. RMSE, or log loss of classes, mean over tasks: per "
        "cent over the best linear method of the cell, which is known in hindsight only:"
    )
    return "\n\n".join([intro, _summary(cells), f"Wanted:\n\n{lines}", *_cell_tables(cells)])
