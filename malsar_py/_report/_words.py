"""What the page says in words and numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

# What a procedure is whose name is no model of the library.
_KINDS = {
    "reference": "reference",
    "separate": "every task on its own",
    "sharing": "tasks learn together",
    "chosen": "the sharing model that cross-validation on the training rows chose",
}
_NONE, _MINUS = "\u2013", "\u2212"  # a dash where there is no number; a minus as wide as plus
# Settings in words; others are said by their names.
SETTINGS = {
    "n_tested": "rows tested",
    "n_test_tasks": "tasks tested",
    "split": "split by",
    "missing": "numbers that mean missing",
    "date": "columns of dates",
    "untried": "models not tried (--models all)",
}
_MISSING_MUCH = 0.3
_SHOWN = 5


def number(value: Any, digits: int = 4) -> str:
    """A number in so many digits, a whole one in all; a dash where there is none."""
    if value is None or isinstance(value, str):
        return value or _NONE
    if isinstance(value, Integral):
        return f"{value:,}"
    if not math.isfinite(value):
        return "∞" if value == math.inf else _NONE
    if value == 0.0 or 1e-4 <= abs(value) < 1e7:
        return fixed(value, places([value], digits))
    return _minus(f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e"))


def strength(value: Any) -> str:
    """The value of a parameter; three digits say enough."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    return "∞" if value == math.inf else _minus(f"{value:.3g}".replace("e-0", "e-"))


def gap(value: float) -> str:
    """A relative gap; below rounding it says nothing more."""
    return f"< 1e{_MINUS}15" if value < 1e-15 else number(value, 1)


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals; a dash where there is none."""
    return _minus(f"{value:.{decimals}f}") if math.isfinite(value) else _NONE


def places(values: Iterable[float], digits: int = 4) -> int:
    """Decimals that give the middle one of the values so many digits."""
    sizes = [abs(value) for value in values if math.isfinite(value) and value]
    if not sizes:
        return 0
    return min(max(digits - 1 - math.floor(math.log10(statistics.median(sizes))), 0), 9)


def places_of_intervals(ones: Iterable[Any]) -> int:
    """Decimals for differences with a `low` and a `high`: two digits of what is unsure.

    More where an end that is not 0, of an interval that is clear, would read as 0.
    """
    ones = list(ones)
    decimals = places([(one.high - one.low) / 2.0 for one in ones], 2)
    most = decimals + 2
    nearest = [min(abs(one.low), abs(one.high)) for one in ones if one.clear]
    while decimals < most and any(0.0 < end < 0.5 * 10.0**-decimals for end in nearest):
        decimals += 1
    return decimals


def _minus(text: str) -> str:
    return text.replace("-", _MINUS)


def about(one: Any, found: Any) -> str:
    """What a procedure does, in a phrase: from the docstring where it is a model of the library."""
    import malsar_py

    kind = "Regressor" if found.kind == "regression" else "Classifier"
    model = getattr(malsar_py, one.name.split(" ")[0] + kind, None)
    if model is None:
        return _KINDS.get(one.kind, one.kind)
    phrase = model.__doc__.strip().splitlines()[0].rpartition(": ")[2].rstrip(".")
    return phrase[:1].lower() + phrase[1:]


def question(found: Any) -> str:
    """The question that the page answers."""
    return (
        f"Is {found.target} predicted better when the {len(found.tasks)} tasks "
        f"in {found.task} learn together?"
    )


def how_split(found: Any) -> str:
    """How rows were set aside to be judged on."""
    settings = found.settings
    repeats, folds = settings.get("repeats"), settings.get("folds")
    by = {
        "time": "the last rows of each task in time",
        "groups": "whole groups of rows",
        "tasks": "whole tasks, which the models had never seen",
    }.get(settings.get("split", "rows"), "rows of every task, at random")
    times = f"{repeats} times" if repeats and repeats != 1 else "once"
    inner = f" by {folds}-fold cross-validation" if folds else " by cross-validation"
    return (
        f"Rows were set aside {times} to judge every model on: {by}. All that a model can choose, "
        f"strengths included, was chosen on the other rows{inner}."
    )


def parameters(one: Any) -> list[str]:
    """Strengths over the repeats: the middle one, a mark where the end of the grid was best."""
    shown = []
    for name in sorted({key for chosen in one.parameters for key in chosen}):
        values = [chosen[name] for chosen in one.parameters if name in chosen]
        if not any(values):  # strengths that are not used
            continue
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            text = strength(statistics.median(values))
        else:
            text = str(statistics.mode(map(str, values)))
        mark = "*" if one.edges.get(name) else ""
        shown.append(f"{name} {text}{mark}")
    return shown


def next_steps(found: Any) -> list[str]:
    """What a careful reader would do now, the most useful first."""
    steps = []
    against = {verdict.reference: verdict for verdict in found.verdicts}
    better = [v for v in against.values() if v.clear == "better"]
    if against and len(better) == len(against):
        steps.append("Sharing is clearly better than every reference here: use the model below.")
    elif better:
        names = _some([v.reference for v in against.values() if v.clear != "better"])
        steps.append(
            f"Sharing is not clearly better than {names}: if that is simpler for you, use it, or "
            "judge again with more rows or more repeats (--repeats)."
        )
    else:
        steps.append(
            "Nothing is clearly better than the simple references: use the simplest of them, or "
            "judge again with more rows, more repeats (--repeats) or better columns."
        )
    losers = [one.task for one in found.gains if one.clear and one.gain < 0]
    if losers:
        steps.append(
            f"Sharing clearly hurts {_some(losers)}: look at what is different there, and predict "
            "them by a model of their own if the difference is real."
        )
    edges = [one.name for one in found.procedures if any(one.edges.values())]
    if edges:
        steps.append(
            f"For {_some(edges)} the best strength lay at the end of the values tried (*): a wider "
            "grid in Python (MultiTaskSearchCV) may do better."
        )
    aside = [one.name for one in found.columns if one.role == "set aside" and one.kind != "empty"]
    if aside:
        steps.append(
            f"{_some(aside)} {'was' if len(aside) == 1 else 'were'} set aside: if one is a "
            "measurement after all, bring it back with --keep."
        )
    holes = [
        one.name
        for one in found.columns
        if one.role == "feature" and one.n_missing > _MISSING_MUCH * found.n_rows
    ]
    if holes:
        steps.append(
            f"Much of {_some(holes)} is missing and was filled in: leave such columns out (--drop) "
            "if they will be missing for other reasons in new data."
        )
    if found.settings.get("split", "rows") != "tasks":
        steps.append(
            f"These errors are for known tasks. For new values of {found.task} hold whole tasks "
            "out: --new-tasks."
        )
    steps.append(
        "Keep the model with --save MODEL.skops, and predict new rows with "
        "python -m malsar_py predict MODEL.skops NEW.csv."
    )
    return steps


def by_gain(found: Any) -> list[Any]:
    """The tasks from the largest gain to the largest loss, those without one last."""
    return sorted(found.gains, key=lambda one: -one.gain if math.isfinite(one.gain) else math.inf)


def response(found: Any) -> str:
    """What a coefficient is in."""
    return {
        "logistic": "log odds",
        "multinomial": "log odds",
        "poisson": f"log of {found.target}",
        "gamma": f"log of {found.target}",
    }.get(found.loss, found.target)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
