"""The pictures of `--plot`: the searches, and the best of the models that share something."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from .. import plotting
from .._table import CompareError, note
from ..model_selection import regularization_path
from ._candidates import last_step
from ._run import Comparison

_DPI = 120


def draw(found: Comparison, folder: Path, feature_names: list[str]) -> None:
    """Write PNG files into the folder, which is made if need be."""
    from matplotlib import pyplot

    best = found.structure
    model = last_step(best.fitted)
    # The fits saw codes in an array: say what they stand for.
    model.tasks_ = found.labels[model.tasks_.astype(int)]
    model.coef_feature_names_ = np.array(feature_names, dtype=object)
    train = found.train
    response = "y" if found.settings["classes"] is None else "log odds"
    unit = f"coefficient ({response} per standard deviation)"
    path = regularization_path(
        clone(model).set_params(tol=1e-4, task_column=None),
        train.X,
        train.y,
        tasks=train.codes,
        n_lambdas=50,
    )
    curve = plotting.PathDisplay(
        path.lambda1,
        path.coef,
        feature_names=feature_names,
        df=path.df,
        chosen=best.parameters["lambda1"],
    )
    # Drawn one by one: pyplot warns of many open figures.
    pictures: dict[str, Callable[[], Any]] = {
        f"coefficients of {best.model}": partial(
            plotting.CoefficientMapDisplay.from_estimator, model, unit=unit
        ),
        f"similarity of {best.model}": partial(
            plotting.TaskSimilarityDisplay.from_estimator, model
        ),
        f"convergence of {best.model}": partial(plotting.ConvergenceDisplay.from_estimator, model),
        f"path of {best.model}": curve.plot,
    }
    for outcome in found.outcomes:
        pictures[f"cross-validation of {outcome.model}"] = partial(
            plotting.CVCurveDisplay.from_estimator, outcome.search
        )
    try:
        folder.mkdir(exist_ok=True)
        for title, draw_it in pictures.items():
            figure = draw_it().figure_
            figure.suptitle(title, fontsize=11)
            name = re.sub(r"[^a-z0-9]+", "_", title.replace(" of ", " ").lower()).strip("_")
            figure.savefig(folder / f"{name}.png", dpi=_DPI)
            pyplot.close(figure)
    except OSError as error:
        raise CompareError(f"--plot: {folder}: {error.strerror}") from error
    note(f"{len(pictures)} pictures written to {folder}")
