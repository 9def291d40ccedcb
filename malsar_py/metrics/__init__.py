"""Scores that know tasks: one value per task, the field's aggregates, and scorers made of them."""

from __future__ import annotations

from ._aggregates import (
    averaged_mse,
    explained_variance,
    mean_task_accuracy,
    mean_task_auc,
    mean_task_f1,
    mean_task_gamma_deviance,
    mean_task_log_loss,
    mean_task_mae,
    mean_task_mse,
    mean_task_pinball_loss,
    mean_task_poisson_deviance,
    mean_task_r2,
    mean_task_rmse,
    normalized_mse,
)
from ._per_task import task_scores
from ._scorers import SCORERS, TaskScore, get_task_scorer, make_task_scorer

__all__ = [
    "SCORERS",
    "TaskScore",
    "averaged_mse",
    "explained_variance",
    "get_task_scorer",
    "make_task_scorer",
    "mean_task_accuracy",
    "mean_task_auc",
    "mean_task_f1",
    "mean_task_gamma_deviance",
    "mean_task_log_loss",
    "mean_task_mae",
    "mean_task_mse",
    "mean_task_pinball_loss",
    "mean_task_poisson_deviance",
    "mean_task_r2",
    "mean_task_rmse",
    "normalized_mse",
    "task_scores",
]
