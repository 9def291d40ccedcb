"""How sure a fitted model is, what it says, and which tasks gain by sharing."""

from __future__ import annotations

from ._affinity import TaskAffinity, task_affinity
from ._bootstrap import bootstrap
from ._coefficients import coefficient_table
from ._gains import Gains
from ._result import BootstrapResult
from ._task_gains import TaskGains, task_gains

__all__ = [
    "BootstrapResult",
    "Gains",
    "TaskAffinity",
    "TaskGains",
    "bootstrap",
    "coefficient_table",
    "task_affinity",
    "task_gains",
]
