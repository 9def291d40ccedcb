# %% [markdown]
# # Quick start
#
# Exam results of 4,059 pupils in 65 London schools, shipped with the package. Every school is a
# *task*: it gets a linear model of its own, but the 65 models are learned together. The label of
# the task is a column of the table, here `school`, so everything in scikit-learn works as usual.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import JointFeatureRegressor, keep_tasks
from malsar_py.datasets import load_exam
from malsar_py.model_selection import TaskKFold
from malsar_py.plotting import CoefficientMapDisplay, CVCurveDisplay

X, y = load_exam(return_X_y=True, as_frame=True)  # y: the score at 16, in standard deviations
X[["school", "schavg", "standLRT", "sex=F", "vr=top 25%"]].join(y)[::900]

# %% [markdown]
# ## Fit
#
# `JointFeatureRegressor` selects features for all schools at once. `keep_tasks` scales the features
# and leaves the labels alone; `TaskKFold` keeps every school in every training part.
# `intercept_shrinkage="reml"` draws the schools' intercepts to each other as far as the data ask
# for. The strength of the penalty, `lambda1`, comes from scikit-learn's own grid search.

# %%
model = make_pipeline(
    keep_tasks(StandardScaler(), task_column="school"),
    JointFeatureRegressor(task_column="school", intercept_shrinkage="reml"),
)
folds = TaskKFold(5, task_column="school")
search = GridSearchCV(
    model,
    {"jointfeatureregressor__lambda1": np.geomspace(0.02, 2, 13)},
    cv=folds,
    scoring="neg_root_mean_squared_error",
).fit(X, y)

one_for_all = -cross_val_score(  # the same folds, one model for all pupils
    make_pipeline(StandardScaler(), RidgeCV(np.geomspace(0.1, 1000, 9))),
    X.drop(columns="school"),
    y,
    cv=folds.split(X, y),
    scoring="neg_root_mean_squared_error",
).mean()
lambda1 = search.best_params_["jointfeatureregressor__lambda1"]
print(f"cross-validated RMSE {-search.best_score_:.3f} at lambda1 = {lambda1:.2f}")
print(f"one ridge model for all schools: {one_for_all:.3f}")

# %%
figure, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
CVCurveDisplay.from_estimator(search, ax=ax)
ax.axhline(one_for_all, color="grey", linestyle="-.", label="one ridge model for all")
ax.set_xlabel("lambda1")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# On the left the schools hardly share anything, on the right no feature is left.
#
# ## Predict
#
# A row's school says which model predicts.

# %%
some = X.iloc[[0, 1000, 2000, 3000]]
for school, score, guess in zip(some["school"], y[some.index], search.predict(some), strict=True):
    print(f"school {school:2d}: score {score:5.2f}, predicted {guess:5.2f}")

# %% [markdown]
# ## How good is the fit?
#
# Every fit ends with a duality gap: the objective is proven to be within it of the best possible
# one. The relative gap divides it by the objective with all coefficients zero.

# %%
fitted = search.best_estimator_[-1]
print(f"objective {fitted.objective_[-1]:.6f}, proven to {fitted.dual_gap_:.1e}; ", end="")
print(f"relative gap {fitted.relative_gap_:.1e}, asked for {fitted.tol:g}")

# %% [markdown]
# ## The models
#
# A column is a school's model, a row is a feature; schools with similar models stand side by side.
# A grey row was dropped for all schools: here, among others, what is constant within a school and
# so has little to add to its intercept.

# %%
figure, ax = plt.subplots(figsize=(10, 4.2), layout="constrained")
CoefficientMapDisplay.from_estimator(search, order="similarity", ax=ax)
plt.show()

# %% [markdown]
# The figures above, checked:

# %%
assert 0.735 < -search.best_score_ < 0.745 < one_for_all
assert fitted.relative_gap_ <= fitted.tol
assert fitted.coef_.shape == (65, 15) and fitted.coef_.any(axis=1).all()

# %% [markdown]
# Other structures between tasks (a common mean, a subspace, a graph, clusters) are other estimators
# with the same methods: the README lists them, and `python -m malsar_py` compares them on these
# data. Labels need not be a column of X: `fit(X, y, tasks=labels)` takes them beside it.
