"""A small table with everything that people have in theirs, and its comparison, made once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest


def write_table(path: Path, *, classify: bool = False, seed: int = 0) -> Path:
    """Rows of shops with a number, one with holes, a colour, a day, and a row number."""
    rng = np.random.default_rng(seed)
    lines = ["nr,shop,size,price,colour,day,sales"]
    for i in range(120):
        shop = "north <b>", "south & co", "east", "west"
        k = i % 4
        size, price = rng.standard_normal(2)
        colour = rng.choice(["red", "blue", "green"])
        y = 10.0 + k + (1.0 + 0.2 * k) * size - 0.5 * price + (colour == "red")
        y += 0.3 * rng.standard_normal()
        sales = ("many" if y > 12.0 else "few") if classify else f"{y:.3f}"
        gap = "" if rng.random() < 0.1 else f"{price:.3f}"
        day = f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}"
        lines.append(f"{i},{shop[k]},{size:.3f},{gap},{colour},{day},{sales}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@contextmanager
def few_settings(
    folds: int = 2,
    n_lambdas: int = 4,
    ridge: tuple[float, ...] = (1.0, 0.1),
    beside: tuple[float, ...] = (0.1,),
    trees: tuple[int, ...] = (3, 10),
) -> Iterator[None]:
    """Comparisons that try few values and folds, by default as few as say nothing of models."""
    from malsar_py._compare import _candidates, _references
    from malsar_py._compare._options import Options

    few = {"_N_LAMBDAS": n_lambdas, "_RIDGE_GRID": np.array(ridge), "_BESIDE": np.array(beside)}
    with (
        patch.multiple(_candidates, **few),
        patch.object(_references, "_TREES", np.array(trees)),
        patch.object(Options, "folds", folds),
    ):
        yield


@cache
def comparison(path: Path, classify: bool = False) -> Any:
    """Compare on the table of `write_table`."""
    for name in ("pandas", "skrub", "jinja2", "skops", "matplotlib"):
        pytest.importorskip(name, reason=f"{name} (extra table) is not installed")
    import malsar_py

    with few_settings():
        return malsar_py.compare(
            write_table(path, classify=classify),
            task="shop",
            target="sales",
            classify=classify,
            models=["MeanRegularized" if classify else "MixedEffects"],
            repeats=1 if classify else 2,
        )


def procedure(name, scores, kind="reference"):
    """A row of the table with these scores of the splits."""
    from malsar_py._compare._result import Procedure

    scores = np.asarray(scores, float)
    return Procedure(name, kind, scores, scores, [{}] * len(scores), {}, np.nan, True, 1.0)
