"""Pictures of fitted models, paths and searches, in scikit-learn's Display convention.

matplotlib is needed to draw (``pip install "malsar_py[plot]"``), not to import this module.
"""

from __future__ import annotations

from ._coefficients import CoefficientMapDisplay
from ._convergence import ConvergenceDisplay
from ._cv_curve import CVCurveDisplay
from ._gains import GainsDisplay
from ._interval import IntervalDisplay
from ._path import PathDisplay
from ._similarity import TaskSimilarityDisplay

__all__ = [
    "CVCurveDisplay",
    "CoefficientMapDisplay",
    "ConvergenceDisplay",
    "GainsDisplay",
    "IntervalDisplay",
    "PathDisplay",
    "TaskSimilarityDisplay",
]
