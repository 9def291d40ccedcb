"""Choosing models: folds that know tasks, paths over lambda1, cross-validated search."""

from __future__ import annotations

from .kfold import TaskKFold
from .path import RegularizationPath, lambda1_max, lambda_grid, regularization_path
from .search import MultiTaskSearchCV
from .split import LeaveOneTaskOut, TaskShuffleSplit

__all__ = [
    "LeaveOneTaskOut",
    "MultiTaskSearchCV",
    "RegularizationPath",
    "TaskKFold",
    "TaskShuffleSplit",
    "lambda1_max",
    "lambda_grid",
    "regularization_path",
]
