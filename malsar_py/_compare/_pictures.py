"""The pictures of `--plot`: the best of the models that share something, and its search."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .. import plotting
from .._table import CompareError
from ._result import Comparison

_DPI = 120


def draw(found: Comparison, folder: Path) -> int:
    """Write PNG files into the folder, which is made if need be; return how many."""
    from matplotlib import pyplot

    if found.sharing is None or found.sharing_model is None:
        raise CompareError("--plot: no model that shares was compared, so there is none to draw")
    model, name = found.sharing_model[-1], found.sharing.name
    response = "log odds" if found.kind == "classification" else found.target
    unit = f"coefficient ({response} per standard deviation)"
    # Drawn one by one: pyplot warns of many open figures.
    pictures: dict[str, Callable[[], Any]] = {
        f"coefficients of {name}": partial(
            plotting.CoefficientMapDisplay.from_estimator, model, unit=unit
        ),
        f"similarity of {name}": partial(plotting.TaskSimilarityDisplay.from_estimator, model),
    }
    if hasattr(model, "relative_gap_"):
        pictures[f"convergence of {name}"] = partial(
            plotting.ConvergenceDisplay.from_estimator, model
        )
    if found.search is not None:
        pictures[f"cross-validation of {name}"] = partial(
            plotting.CVCurveDisplay.from_estimator, found.search
        )
    try:
        folder.mkdir(exist_ok=True)
        for title, draw_it in pictures.items():
            figure = draw_it().figure_
            figure.suptitle(title, fontsize=11)
            stem = re.sub(r"[^a-z0-9]+", "_", title.replace(" of ", " ").lower()).strip("_")
            figure.savefig(folder / f"{stem}.png", dpi=_DPI)
            pyplot.close(figure)
    except OSError as error:
        raise CompareError(f"--plot: {folder}: {error.strerror}") from error
    return len(pictures)
