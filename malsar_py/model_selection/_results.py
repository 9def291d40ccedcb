"""What the folds' scores say: the table of results, the choice, and what is to be said of it."""

from __future__ import annotations

import numbers
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.exceptions import FitFailedWarning
from sklearn.utils._param_validation import Interval

from .._typing import AnyArray, FloatArray
from ..base import BeyondData, MultiTaskEstimator
from ._folds import Scores
from ._template import Setting, key_of

# Fewer values of a parameter are alternatives rather than a grid.
_A_GRID = 3
# A mean that changes by less than this share of its range is flat: beyond the edge is the limit.
_FLAT = 1e-3
# They trade time for digits: nobody looks for the best in the middle.
_NOT_CHOSEN = {"max_iter", "max_stages", "random_state", "task_column", "tol", "verbose"}


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores of all candidates, and which folds and candidates they are compared by."""

    splits: FloatArray  # (n_splits, n_candidates)
    folds: AnyArray  # mask: all compared candidates have a score there
    candidates: AnyArray  # mask: those compared

    @classmethod
    def of(cls, splits: FloatArray) -> Judged:
        """Choose the folds: the same for all candidates, for some folds are easier than others.

        Folds in which a candidate has no score (NaN) are left out for all. Where that would be more
        than half of the folds that can be used, candidates with the fewest scores are left out
        instead.
        """
        defined = ~np.isnan(splits)
        n_scores = defined.sum(axis=0)
        usable = defined.any(axis=1).sum()
        folds: AnyArray = np.zeros(len(splits), bool)
        candidates: AnyArray = n_scores > 0
        for least in np.unique(n_scores[candidates]):
            candidates = n_scores >= least
            folds = np.asarray(defined[:, candidates].all(axis=1))
            if 2 * folds.sum() >= usable:
                break
        if candidates.any() and not folds.any():
            # Each lacks others: those that lack the same as most.
            patterns, which, times = np.unique(
                defined[:, candidates], axis=1, return_inverse=True, return_counts=True
            )
            most = np.argmax(times)
            folds = patterns[:, most]
            candidates[candidates] = which.ravel() == most
        return cls(splits, folds, candidates)

    def mean(self) -> FloatArray:
        """Mean scores over the folds compared, NaN for other candidates."""
        return self._over(np.mean)

    def std(self) -> FloatArray:
        """Their standard deviations."""
        return self._over(np.std)

    def _over(self, function: Any) -> FloatArray:
        out = np.full(self.splits.shape[1], np.nan)
        if self.folds.any():
            kept = self.splits[self.folds][:, self.candidates]
            with np.errstate(invalid="ignore"):  # the spread of infinite scores
                out[self.candidates] = function(kept, axis=0)
        return out

    def standard_error(self, candidate: int) -> float:
        """Of a candidate's mean score, over the folds compared; 0 for one fold."""
        scores = self.splits[self.folds, candidate]
        return float(scores.std(ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else 0.0


def results(params: list[Setting], scores: list[Scores], judged: Judged) -> dict[str, Any]:
    """`cv_results_` from the scores of each fold."""
    found: dict[str, Any] = {}
    for name, values in (
        ("fit_time", [fold.fit_time.ravel() for fold in scores]),
        ("score_time", [fold.score_time.ravel() for fold in scores]),
    ):
        found[f"mean_{name}"] = np.mean(values, axis=0)
        found[f"std_{name}"] = np.std(values, axis=0)
    for name in dict.fromkeys(name for setting in params for name in setting):
        column = np.ma.MaskedArray(np.empty(len(params), object), mask=True)
        for i, setting in enumerate(params):
            if name in setting:
                column[i] = setting[name]
        found[f"param_{name}"] = column
    found["params"] = params
    for k, row in enumerate(judged.splits):
        found[f"split{k}_test_score"] = row
    mean = judged.mean()
    found["mean_test_score"] = mean
    found["std_test_score"] = judged.std()
    # A score that is not defined ranks last.
    ranked = np.where(np.isnan(mean), -np.inf, mean)
    found["rank_test_score"] = rankdata(-ranked, method="min").astype(np.int32)
    return found


# --- what is said --------------------------------------------------------------------------------


def read_scores(
    scores: list[Scores], params: list[Setting], scorer: Any, stacklevel: int
) -> Judged:
    """The scores of all folds; what is missing is said, and refused if nothing is left."""
    splits = np.stack([fold.score.ravel() for fold in scores])
    beyond = np.stack([fold.beyond.ravel() for fold in scores])
    failed = np.stack([fold.failed.ravel() for fold in scores])
    # Where a setting fits some folds only, it is left out of all.
    skipped = np.asarray(beyond.astype(bool).any(axis=0))
    if skipped.all():
        raise BeyondData(_first(beyond))
    splits[:, skipped] = np.nan
    fell = failed.astype(bool) & ~skipped
    if fell[:, ~skipped].all():
        raise ValueError(f"All fits or scores failed. The first reason: {_first(failed)}")
    judged = Judged.of(splits)
    if not np.isfinite(judged.mean()).any():
        without = ~np.asarray(np.isfinite(splits[:, ~skipped]).any(axis=1))
        where = _folds(without) if without.any() else "any fold that they have in common"
        raise ValueError(
            f"No candidate has a finite mean score: {scorer!r} gave none in {where}. {_REMEDY}"
        )

    def warn(text: str, category: type[Warning] = UserWarning) -> None:
        warnings.warn(text, category, stacklevel=stacklevel + 1)

    if skipped.any():
        warn(
            f"{skipped.sum()} of {len(skipped)} candidates ask for more than there is in the data "
            f"and are left out. {_first(beyond)}"
        )
    undefined = np.isnan(splits) & ~skipped
    compared = ""
    if not judged.folds.all():
        compared = f" All candidates are compared by {_folds(judged.folds)} alone."
    left_out = (~skipped & ~judged.candidates).sum()
    if left_out:
        compared += f" {left_out} candidates with too few scores are left out."
    if fell.any():
        warn(
            f"{fell.sum()} of {fell.size} fits or scores failed.{compared} The first reason: "
            f"{_first(failed)}",
            FitFailedWarning,
        )
    undefined &= ~fell
    if undefined.any():
        warn(
            f"{scorer!r} is not defined (NaN) in {_folds(np.asarray(undefined.any(axis=1)))}, for "
            f"{undefined.any(axis=0).sum()} of {splits.shape[1]} candidates.{compared} {_REMEDY}"
        )
    return judged


_REMEDY = (
    "See that every fold holds what the score needs (TaskKFold with stratify=True for classes, "
    "fewer folds for more rows in each), or choose another scorer."
)


def _first(reasons: AnyArray) -> str:
    return next(reason for reason in reasons.T.ravel() if reason)


def _folds(mask: AnyArray) -> str:
    found = np.flatnonzero(mask).tolist()
    return f"fold{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


def find_edges(
    params: list[Setting], mean: FloatArray, row: int, model: MultiTaskEstimator, prefix: str
) -> dict[str, str]:
    """Parameters of this row that are the smallest or the largest of their grid.

    With all others as they are, at least three values have a score, it is not flat there, and the
    parameter could go further.
    """
    edges = {}
    for name, value in params[row].items():
        own = name.removeprefix(prefix)
        if not (name.startswith(prefix) and _is_number(value)) or own in _NOT_CHOSEN:
            continue
        line = _line(params, row, name)
        line.sort(key=lambda i: params[i][name])
        tried = {params[i][name] for i in line if np.isfinite(mean[i])}
        if len(tried) < _A_GRID or row not in (line[0], line[-1]):
            continue
        edge, line = ("smallest", line) if row == line[0] else ("largest", line[::-1])
        known = mean[line][np.isfinite(mean[line])]
        flat = abs(known[0] - known[1]) <= _FLAT * np.ptp(known)
        if not flat and not _is_bound(model, own, value):
            edges[name] = edge
    return edges


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _line(params: list[Setting], row: int, name: str) -> list[int]:
    """Rows that differ from this one in the parameter alone, if at all."""

    def rest(i: int) -> Any:
        return {key: key_of(value) for key, value in params[i].items() if key != name}

    own = rest(row)
    return [i for i in range(len(params)) if _is_number(params[i].get(name)) and rest(i) == own]


def _is_bound(model: MultiTaskEstimator, name: str, value: Any) -> bool:
    """Whether the parameter cannot go beyond this value."""
    constraints = model._parameter_constraints.get(name, [])
    return any(
        value == limit
        for interval in constraints
        if isinstance(interval, Interval)
        for limit in (interval.left, interval.right)
    )
