"""Linear mixed models: partial pooling with random intercepts and slopes."""

from __future__ import annotations

from ..base import Variances, provide_variances
from ._intercepts import variance_ratio as variance_ratio
from ._posterior import moments as moments
from ._regressor import MixedEffectsRegressor
from ._report import FitReport
from ._strengths import reml_strengths as reml_strengths

__all__ = ["FitReport", "MixedEffectsRegressor"]

provide_variances(Variances(variance_ratio, reml_strengths, moments))
