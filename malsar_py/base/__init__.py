"""The templates of estimators: fit, predict and score for any task labels."""

from .._solution import Prepared as Prepared
from .._solution import Problem as Problem
from .._solution import Solution as Solution
from ._adapt import Adapting as Adapting
from ._adapt import AdaptingClassifier as AdaptingClassifier
from ._adapt import AdaptingRegressor as AdaptingRegressor
from ._batches import BatchFit as BatchFit
from ._certified import CertifiedEstimator as CertifiedEstimator
from ._estimator import TaskEstimator as TaskEstimator
from ._feature_weight import CouplingWeighted as CouplingWeighted
from ._feature_weight import RowWeighted as RowWeighted
from ._feature_weight import ScaledColumns as ScaledColumns
from ._fit_batches import begin_batches as begin_batches
from ._fit_batches import check_batches as check_batches
from ._fit_batches import one_pass as one_pass
from ._penalized import NONNEGATIVE as NONNEGATIVE
from ._penalized import BeyondData as BeyondData
from ._penalized import MultiTaskEstimator as MultiTaskEstimator
from ._shrinkage import Variances as Variances
from ._shrinkage import provide_variances as provide_variances
from ._shrinkage import reml_shrinkage as reml_shrinkage
from ._shrinkage import variances as variances
from ._targets import MultiTaskClassifier as MultiTaskClassifier
from ._targets import MultiTaskRegressor as MultiTaskRegressor
from ._targets import TaskRegressor as TaskRegressor
