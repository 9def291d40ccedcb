"""New tasks with a few labelled rows: adapting a fitted model, and fitting everything anew.

A fifth of the tasks is new: models are fitted to the others, and judged by the new tasks' rows
after the twentieth.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import malsar_py
from malsar_py.metrics import mean_task_rmse
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold

from .pooling_data import DATA, Grouped
from .processes import Session, note
from .report import markdown, standard_error

NAMES = ("exam", "school", "parkinsons")
SEEDS = tuple(range(80301, 80311))
LABELLED = (5, 20)
RECORD = Path(__file__).with_name("new_tasks.json")
# By model and number of labelled rows, and by ("refit", model) likewise.
Errors = dict[tuple[str, int], float]


def mixed(data: Grouped) -> Any:
    """A mixed model."""
    return malsar_py.MixedEffectsRegressor().fit(data.X, data.y, tasks=data.tasks)


def mean_reml(data: Grouped) -> Any:
    """Mean regularisation with the strengths of a mixed model."""
    model = malsar_py.MeanRegularizedRegressor(lambda1="reml", task_weight="size")
    return model.fit(data.X, data.y, tasks=data.tasks)


def searched(data: Grouped, name: str, **parameters: Any) -> Any:
    """Strengths by cross-validation."""
    model = getattr(malsar_py, f"{name}Regressor")(task_weight="size", **parameters)
    search = MultiTaskSearchCV(model, n_lambdas=8, lambda2=None, cv=TaskKFold(3))
    return search.fit(data.X, data.y, tasks=data.tasks).best_estimator_


MODELS: dict[str, Callable[[Grouped], Any]] = {
    "MixedEffects": mixed,
    "MeanRegularized reml": mean_reml,
    "MeanRegularized, free intercepts": lambda data: searched(data, "MeanRegularized"),
    **{
        f"{name} common": lambda data, name=name: searched(  # type: ignore[misc]
            data, name, common=True, intercept_shrinkage="reml"
        )
        for name in ("JointFeature", "TraceNorm")
    },
}
#: Those whose refit has the same strengths by its parameters; a mixed model's is exact.
REFITTED = ("MeanRegularized reml", "JointFeature common", "TraceNorm common")


def some(data: Grouped, rows: np.ndarray) -> Grouped:
    """These rows."""
    return Grouped(data.X[rows], data.y[rows], data.tasks[rows])


def split(data: Grouped, seed: int) -> tuple[Grouped, Grouped, Grouped, np.ndarray]:
    """Rows of the known tasks, the first twenty of the new ones, those after; and their rank."""
    rng = np.random.default_rng(seed)
    labels = np.unique(data.tasks)
    new = np.isin(data.tasks, rng.permutation(labels)[: len(labels) // 5])
    order = rng.permutation(len(data.y))
    X, tasks, new = data.X[order], data.tasks[order], new[order]
    rank = np.empty(len(tasks), int)
    for t in labels:
        own = np.flatnonzero(tasks == t)
        rank[own] = np.arange(len(own))
    spread = X[~new].std(axis=0)
    whole = Grouped(X[:, spread > 0] / spread[spread > 0], data.y[order], tasks)
    few = new & (rank < max(LABELLED))
    return some(whole, ~new), some(whole, few), some(whole, new & ~few), rank[few]


def rmse(model: Any, data: Grouped) -> float:
    """Mean over the tasks."""
    predicted = model.set_params(unseen="mean").predict(data.X, tasks=data.tasks)
    return mean_task_rmse(data.y, predicted, data.tasks)


def refit(model: Any, data: Grouped) -> Any:
    """The same strengths on these rows."""
    strengths = {"intercept_shrinkage": model._fit_of.kappa} | model._given()
    return type(model)(**model.get_params() | strengths).fit(data.X, data.y, tasks=data.tasks)


def errors(data: Grouped, names: Sequence[str], seed: int) -> Errors:
    """RMSE on new tasks: with no labelled row, after adapting, after refits of everything."""
    known, few, test, rank = split(data, seed)
    found: Errors = {}
    for name in names:
        model = MODELS[name](known)
        found[name, 0] = rmse(model, test)
        for k in LABELLED:
            more = some(few, rank < k)
            found[name, k] = rmse(model.adapt(more.X, more.y, tasks=more.tasks), test)
            if name in REFITTED:
                found[f"{name}, refit", k] = rmse(refit(model, joined(known, more)), test)
    return found


def joined(one: Grouped, other: Grouped) -> Grouped:
    """The rows of both."""
    return Grouped(
        np.concatenate([one.X, other.X]),
        np.concatenate([one.y, other.y]),
        np.concatenate([one.tasks, other.tasks]),
    )


Record = dict[str, dict[int, Errors]]  # data set -> seed -> errors


def read(record: Path | None) -> Record:
    """What is on record."""
    if record is None or not record.is_file():
        return {}
    found: Record = {}
    for name, seed, model, labelled, error in json.loads(record.read_text(encoding="utf-8")):
        found.setdefault(name, {}).setdefault(seed, {})[model, labelled] = error
    return found


def measure(
    names: Sequence[str], models: Sequence[str], seeds: Sequence[int], record: Path | None = None
) -> Record:
    """Errors of every model on every split, added to those on record."""
    found = read(record)
    for name in names:
        for seed in seeds:
            own = found.setdefault(name, {}).setdefault(seed, {})
            left = [model for model in models if (model, 0) not in own]
            if not left:
                continue
            try:
                data = DATA[name]()
            except OSError as error:
                note(f"{name}: skipped, {error}")
                break
            note(f"{name}, seed {seed}")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                own.update(errors(data, left, seed))
            if record is not None:
                _keep(found, record)
    return {name: {s: own for s, own in seeds.items() if own} for name, seeds in found.items()}


def _keep(found: Record, record: Path) -> None:
    rows = [
        json.dumps([name, seed, model, labelled, float(f"{error:.6g}")])
        for name, seeds in found.items()
        for seed, own in seeds.items()
        for (model, labelled), error in own.items()
    ]
    record.write_text("[\n " + ",\n ".join(rows) + "\n]\n", encoding="utf-8")


def difference(
    seeds: dict[int, Errors], one: tuple[str, int], other: tuple[str, int]
) -> tuple[float, float]:
    """Per cent by which one's error is above another's on the same splits, and the s.e."""
    pairs = np.array([(own[one], own[other]) for own in seeds.values() if one in own])
    each = 100.0 * (pairs[:, 0] / pairs[:, 1] - 1.0)
    return float(each.mean()), standard_error(each)


def report(found: Record) -> str:
    """Errors with standard errors over the splits, and the paired differences in question."""
    lines, rows = [], []
    for name, seeds in found.items():
        for model in MODELS:
            own = {seed: e for seed, e in seeds.items() if (model, 0) in e}
            if not own:
                continue
            row = [name, model, str(len(own))]
            for k in (0, *LABELLED):
                values = np.array([e[model, k] for e in own.values()])
                row.append(f"{values.mean():.4g} ({standard_error(values):.2g})")
            refitted = (f"{model}, refit", LABELLED[0]) in next(iter(own.values()))
            pairs = [
                ((model, 5), (model, 0)),
                *(((model, k), (f"{model}, refit", k)) for k in LABELLED if refitted),
            ]
            shown = ["{:+.2f} ({:.2f})".format(*difference(own, *pair)) for pair in pairs]
            rows.append([*row, *shown, *["-"] * (3 - len(shown))])
    header = [
        *("data", "model", "splits", "no label", "5 labelled rows", "20"),
        *("5 against none, %", "5: adapt against refit, %", "20"),
    ]
    lines.append(markdown(header, rows))
    intro = (
        "A fifth of the tasks is new; RMSE, mean of the new tasks, on their rows after the "
        "twentieth (in brackets: standard error over the splits). Refits have the same strengths; "
        "that of MixedEffects is what `adapt` gives."
    )
    return "\n\n".join([intro, *lines])


def new_tasks_table(
    session: Session,
    seeds: Sequence[int] | None = None,
    only: Sequence[str] | None = None,
    quick: bool = False,
    write: bool = False,
) -> str:
    """The report; ``only`` are names of data sets. ``write``: go on from the record."""
    names = [name for name in NAMES[: 1 if quick else None] if only is None or name in only]
    models = list(MODELS)[: 3 if quick else None]
    chosen = list(seeds or SEEDS[: 3 if quick else None])
    return report(measure(names, models, chosen, RECORD if write else None))
