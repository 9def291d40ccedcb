"""What models say of strengths by feature, and of signs."""

from __future__ import annotations

ROW_WEIGHTS = """\
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, ``lambda1 sum_j f_j n(w^j)``
        with n the norm of a row (never on the ridge), in the order of the columns of X without the
        label column: 0 leaves a feature unpenalised, inf leaves it out. "varying" leaves out
        features that hardly vary within tasks: less than 1 % of their sum of squares about the mean
        is there.
    positive : bool, default=False
        Keep the coefficients from being negative."""

COUPLING_WEIGHTS = """\
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature (never on the ridge), in the
        order of the columns of X without the label column: with inf a feature has coefficients that
        the term does not see (one and the same for all tasks, or for all that a graph connects), 0
        leaves the tasks' coefficients to the ridge, which must be there. "varying" is inf for
        features that hardly vary within tasks (less than 1 % of their sum of squares about the mean
        is there), else 1.
    positive : bool, default=False
        Keep the coefficients from being negative."""

COLUMN_WEIGHTS = """\
    feature_weight : array-like of shape (n_features,) or None, default=None
        Factors f_j in (0, inf): the penalty is that of ``diag(f) W``, as if the columns of X had
        been divided by f; the ridge, too, is that of ``f_j w_j``. In the order of the columns of X
        without the label column."""
