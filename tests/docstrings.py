"""What docstrings share, written into the sources.

    python -m tests.docstrings [--check | --write]

`docstring_texts` is the one place to change it. What a class or function alone says is changed
where it stands; entries of a classifier that are not shared are those of its regressor.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import malsar_py
from malsar_py import datasets, metrics
from malsar_py.base import (
    CouplingWeighted,
    MultiTaskClassifier,
    RowWeighted,
    ScaledColumns,
    TaskEstimator,
)
from malsar_py.models._staged import Staged

from . import docstring_texts as texts

# Of the lines of a docstring, indented by four.
_WIDTH = 96

# Model by model, what a docstring words itself.
_OWN: Mapping[str, set[str]] = {
    "GroupFeature": {"feature_weight"},
    "Lasso": {"common", "coef_common_", "coef_specific_"},
    "MixedEffects": {
        *("fit_intercept", "unseen", "tol", "max_iter", "intercept_mean_", "task_prior_"),
        *("dual_gap_", "relative_gap_", "optimality_", "n_iter_"),
        *("objective_", "objective_iterations_"),
    },
    "MultiLevelLasso": {"objective_"},
    "NonconvexFused": {"objective_"},
    "CalibratedJointFeature": {"solver", "max_iter"},
    "SeparableKernel": {
        *("unseen", "tol", "max_iter", "dual_gap_", "relative_gap_"),
        *("coef_", "coef_feature_names_"),
    },
}
# Entries of classifiers that differ from those of their regressors.
_APART = {"MeanRegularizedClassifier": {"lambda1"}}
# The parameter that an attribute needs.
_NEEDS = {
    "intercept_mean_": "intercept_shrinkage",
    "intercept_shrinkage_": "intercept_shrinkage",
    "solver_": "solver",
    "coef_common_": "common",
    "coef_specific_": "common",
}
_WEIGHTS = {
    RowWeighted: texts.ROW_WEIGHTS,
    CouplingWeighted: texts.COUPLING_WEIGHTS,
    ScaledColumns: texts.COLUMN_WEIGHTS,
}
# Metrics whose weights count across the tasks.
_POOLED = {"averaged_mse", "explained_variance", "normalized_mse"}
# First words of the paragraphs that are shared.
_NOTATION_STARTS = "Here ``F(W, b)"
_SEVERAL_STARTS = "With more than two classes it is the multinomial loss"


class Entry(tuple[str, ...]):
    """Lines of an entry of a section: ``name : type`` and what it is."""

    @property
    def name(self) -> str:
        return self[0].partition(" : ")[0]


def entries(text: str) -> list[Entry]:
    found: list[list[str]] = []
    for line in text.splitlines():
        if not line.startswith(" "):
            found.append([])
        found[-1].append(line)
    return [Entry(lines) for lines in found]


def _wrapped(text: str) -> list[Entry]:
    """Entries whose descriptions are a paragraph each, in lines of the width of a docstring."""
    return [
        Entry([given[0], *_fill(" ".join(line.strip() for line in given[1:]), "    ")])
        for given in entries(text)
    ]


def _fill(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


# Whatever has one of these names and does not belong to a model is left over from before.
_NAMES = {
    entry.name
    for text in (
        texts.PARAMETERS.format(
            class_weight=texts.CLASS_WEIGHT,
            loss=texts.LOSS,
            solving=texts.CONVEX + texts.STAGED,
            per_stage="",
            but_shrunk="",
        ),
        texts.ATTRIBUTES.format_map(defaultdict(str)),
        texts.GAP + texts.STATIONARITY + texts.CLASSES + texts.TASK_PRIOR,
    )
    for entry in entries(text)
}


@dataclass
class Shared:
    """What the docstring of a class or function shares with others."""

    sections: dict[str, list[Entry]]
    own: set[str] = field(default_factory=set)
    apart: set[str] = field(default_factory=set)
    paragraphs: dict[str, str] = field(default_factory=dict)  # by first words; "" is none

    def applied(self, text: str, twin: str = "") -> str:
        """The docstring with its shared entries as they are here, or as the twin has them."""
        if self.paragraphs:
            text = self._with_paragraphs(text)
        for title in self.sections:
            before, body, after = _split(text, title)
            others = {e.name: e for e in entries(_split(twin, title)[1])} if twin else {}
            merged = self._merged(title, entries(body), others)
            text = before + "\n".join(line for entry in merged for line in entry) + after
        return text

    def _merged(self, title: str, given: list[Entry], others: Mapping[str, Entry]) -> list[Entry]:
        shared = {e.name: e for e in self.sections[title] if e.name not in self.own}
        others = {name: e for name, e in others.items() if name not in self.apart}
        merged = [
            shared.get(entry.name) or others.get(entry.name) or entry
            for entry in given
            if entry.name in shared or entry.name in self.own or entry.name not in _NAMES
        ]
        place = 0
        for name, entry in shared.items():  # what is new comes behind the one before
            names = [other.name for other in merged]
            if name not in names:
                merged.insert(place, entry)
            place = [other.name for other in merged].index(name) + 1
        return merged

    def _with_paragraphs(self, text: str) -> str:
        head, title, rest = text.partition("\n\nParameters\n")
        kept = []
        for paragraph in head.split("\n\n"):
            if paragraph.startswith(_NOTATION_STARTS):
                kept += ["\n".join(_fill(shared)) for shared in self.paragraphs.values() if shared]
            elif not paragraph.startswith(_SEVERAL_STARTS):
                kept.append(paragraph)
        return "\n\n".join(kept) + title + rest


def _split(text: str, title: str) -> tuple[str, str, str]:
    """A docstring before, in and after a section."""
    head = f"\n{title}\n{'-' * len(title)}\n"
    before, found, rest = text.partition(head)
    assert found, f"no {title} in {text[:60]!r}"
    body, blank, after = rest.partition("\n\n")
    return before + found, body, blank + after


def of_model(cls: Any) -> Shared:
    idea = cls.__name__.removesuffix("Regressor").removesuffix("Classifier")
    kind = "classifier" if issubclass(cls, MultiTaskClassifier) else "regressor"
    several = kind == "classifier" and cls._multi_class
    stages = issubclass(cls, Staged)
    known = set(inspect.signature(cls).parameters)
    parameters = texts.PARAMETERS.format(
        class_weight=texts.CLASS_WEIGHT,
        loss=texts.LOSS,
        solving=texts.STAGED.format(solvers=_solvers(cls)) if stages else texts.CONVEX,
        per_stage=" in each stage" if stages else "",
        but_shrunk=" but for `intercept_shrinkage`" if "intercept_shrinkage" in known else "",
    )
    weights = [text for base, text in _WEIGHTS.items() if issubclass(cls, base)]
    mean_of_classes = texts.MEAN_OF_CLASSES if several else ""
    common = texts.COMMON_ATTRIBUTES.format(mean_of_classes=mean_of_classes)
    attributes = texts.ATTRIBUTES.format(
        mean_of_classes=mean_of_classes,
        classes="" if kind == "regressor" else texts.SEVERAL_CLASSES if several else texts.CLASSES,
        coef_of_classes=texts.COEF_OF_CLASSES if several else "",
        intercept_of_classes=texts.INTERCEPT_OF_CLASSES if several else "",
        certificate=texts.STATIONARITY if stages else texts.GAP,
        all_stages=" of all stages" if stages else "",
        last_stage=" in the last stage" if stages else "",
    )
    prior = texts.TASK_PRIOR if hasattr(cls, "task_prior_") else ""
    return Shared(
        {
            "Parameters": [
                entry
                for entry in _wrapped("".join([texts.COMMON, *weights, texts.ORDER, parameters]))
                if entry.name in known
            ],
            "Attributes": [
                entry
                for entry in _wrapped(common + attributes + prior)
                if _NEEDS.get(entry.name, "self") in known | {"self"}
            ],
        },
        _OWN.get(idea, set()),
        _APART.get(cls.__name__, set()),
        {
            _NOTATION_STARTS: texts.NOTATION.format(loss=texts.LOSSES[kind]),
            _SEVERAL_STARTS: texts.SEVERAL if several else "",
        },
    )


def _solvers(cls: Any) -> str:
    options = cls._parameter_constraints["solver"][0].options
    *names, last = (f'"{name}"' for name in ("auto", "apg", "active-set") if name in options)
    return f"{', '.join(names)} or {last}"


def of_function(function: Callable[..., Any]) -> Shared:
    """Of a metric or a fetcher."""
    known = inspect.signature(function).parameters
    within = "" if function.__name__ in _POOLED else " within the tasks"
    text = texts.METRIC.format(within=within) if "y_true" in known else texts.FETCHER
    found = {"Parameters": [entry for entry in _wrapped(text) if entry.name in known]}
    if "y_true" not in known:
        found["Raises"] = _wrapped(texts.RAISES)
    return Shared(found)


def documented() -> Iterator[tuple[Any, Shared]]:
    """What has shared entries; regressors come before their classifiers."""
    public = [getattr(malsar_py, name) for name in malsar_py.__all__]
    models = [thing for thing in public if inspect.isclass(thing)]
    for cls in sorted(models, key=lambda cls: issubclass(cls, MultiTaskClassifier)):
        if issubclass(cls, TaskEstimator):
            yield cls, of_model(cls)
    for module in (metrics, datasets):
        for function in filter(inspect.isfunction, vars(module).values()):
            fetches = function.__name__.startswith("fetch_")
            if fetches or function.__module__.endswith("._aggregates"):
                yield function, of_function(function)


def renewed() -> dict[Path, tuple[str, str]]:
    """The sources that are not current: as they are, and as they should be."""
    given: dict[Path, str] = {}
    sources: dict[Path, str] = {}
    docstrings: dict[str, str] = {}
    for thing, shared in documented():
        name = thing.__name__
        path = Path(inspect.getsourcefile(thing) or "")
        source = sources.setdefault(path, given.setdefault(path, path.read_text("utf-8")))
        node = _docstring(source, name)
        twin = docstrings.get(name.replace("Classifier", "Regressor"), "")
        docstrings[name] = shared.applied(inspect.cleandoc(node.value), twin)
        sources[path] = _replaced(source, node, docstrings[name])
    return {path: (given[path], new) for path, new in sources.items() if new != given[path]}


def _docstring(source: str, name: str) -> Any:
    """The docstring of a class or function at the top of a module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            statement = node.body[0]
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                return statement.value
    raise LookupError(f"{name} has no docstring")


def _replaced(source: str, node: ast.Constant, text: str) -> str:
    assert "\\" not in text, "a raw docstring"
    lines = source.splitlines(keepends=True)
    indent = " " * node.col_offset
    new = textwrap.indent(f'"""{text}\n"""\n', indent)
    return "".join([*lines[: node.lineno - 1], new, *lines[node.end_lineno or 0 :]])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.docstrings", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="say which files are not current")
    what.add_argument("--write", action="store_true", help="write them")
    options = parser.parse_args(arguments)
    stale = renewed()
    for path, (_, new) in stale.items():
        print(f"{'written' if options.write else 'not current'}: {path}")
        if options.write:
            path.write_text(new, "utf-8")
    return int(bool(stale) and not options.write)


if __name__ == "__main__":
    sys.exit(main())
