"""Choosing models: folds that know tasks, paths over lambda1, cross-validated search."""

from __future__ import annotations

from .batches import path_batches
from .group_kfold import TaskGroupKFold
from .kfold import TaskKFold
from .path import RegularizationPath, lambda1_max, lambda_grid, regularization_path
from .search import MultiTaskSearchCV
from .split import LeaveOneTaskOut, TaskShuffleSplit

__all__ = [
    "LeaveOneTaskOut",
    "MultiTaskSearchCV",
    "RegularizationPath",
    "TaskGroupKFold",
    "TaskKFold",
    "TaskShuffleSplit",
    "lambda1_max",
    "lambda_grid",
    "path_batches",
    "regularization_path",
]
