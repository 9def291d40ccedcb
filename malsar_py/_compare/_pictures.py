"""The pictures of `--plot`: the searches, and the best of the models that share something."""

from __future__ import annotations

import re
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
    pictures: dict[str, Any] = {
        "coefficients": plotting.CoefficientMapDisplay.from_estimator(model, unit=unit),
        "similarity": plotting.TaskSimilarityDisplay.from_estimator(model),
        "convergence": plotting.ConvergenceDisplay.from_estimator(model),
        "path": plotting.PathDisplay(
            path.lambda1,
            path.coef,
            feature_names=feature_names,
            df=path.df,
            chosen=best.parameters["lambda1"],
        ).plot(),
    }
    pictures = {f"{name} of {best.model}": display for name, display in pictures.items()}
    for outcome in found.outcomes:
        curve = plotting.CVCurveDisplay.from_estimator(outcome.search)
        pictures[f"cross-validation of {outcome.model}"] = curve
    try:
        folder.mkdir(exist_ok=True)
        for title, display in pictures.items():
            display.figure_.suptitle(title, fontsize=11)
            name = re.sub(r"[^a-z0-9]+", "_", title.replace(" of ", " ").lower()).strip("_")
            display.figure_.savefig(folder / f"{name}.png", dpi=_DPI)
            pyplot.close(display.figure_)
    except OSError as error:
        raise CompareError(f"--plot: {folder}: {error.strerror}") from error
    note(f"{len(pictures)} pictures written to {folder}")
