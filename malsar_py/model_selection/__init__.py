"""Choosing models: folds that know tasks, paths over lambda1, cross-validated search."""

from __future__ import annotations

from .kfold import TaskKFold
from .split import LeaveOneTaskOut, TaskShuffleSplit

__all__ = ["LeaveOneTaskOut", "TaskKFold", "TaskShuffleSplit"]
