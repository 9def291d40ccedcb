"""scikit-learn's own checks over every regressor that takes a loss, on counts."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from .test_common import REGRESSORS, with_random_state

TAKES_A_LOSS = [cls for cls in REGRESSORS if "loss" in cls().get_params()]


# The check draws targets of any sign, whatever the estimator's tags say.
ANY_SIGN = {"check_regressor_multioutput": "some of its targets are negative: an error says so"}


@pytest.mark.thorough
@parametrize_with_checks(
    [with_random_state(cls, loss="poisson") for cls in TAKES_A_LOSS],
    expected_failed_checks=lambda estimator: ANY_SIGN,
)
def test_of_counts(estimator, check):
    check(estimator)
