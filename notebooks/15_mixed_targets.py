# %% [markdown]
# # Mixed targets: a score and a diagnosis in one fit
#
# Tasks may have losses of their own: `loss={"MMSE": "squared", "demented": "logistic"}`. OASIS
# longitudinal again (notebook 12): from what is known of 150 people at their first visit, the score
# MMSE at their last visit (0 to 30, a number) and whether they are demented there (CDR > 0, yes or
# no). `JointFeature` lets both choose their features together; signs are free, as they should be:
# the lower the score, the likelier the diagnosis.
#
# * Features: sex, age, education, socioeconomic status, three measures of the brain's volume and
#   the score MMSE, all of the first visit.
# * 10 random splits of the people, of whom 30 or 100 are trained on; strengths by four folds of
#   these. The two models that do not share have the same penalty, one target each.
# * y is a table of two columns, one task each; the folds keep people whole.
#
# Data: `fetch_oasis_longitudinal` (downloaded, or from the folder `MALSAR_PY_DATA`). Without it the
# notebook runs on simulated people, and every title says so.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import ShuffleSplit

from malsar_py import JointFeatureRegressor, LassoRegressor
from malsar_py.datasets import fetch_oasis_longitudinal
from malsar_py.plotting import CoefficientMapDisplay

plt.style.use("seaborn-v0_8-colorblind")
try:
    scores, cdr = (fetch_oasis_longitudinal(target=target) for target in ("MMSE", "CDR"))
    names, stand_in = [*scores.feature_names, "MMSE at visit 1"], ""
    first, people = scores.tasks == 1, scores.groups
    last = np.array([scores.tasks[people == person].max() for person in people]) == scores.tasks
    order = [np.argsort(people[rows]) for rows in (first, last)]
    X = np.column_stack([scores.data, scores.target])[first][order[0]]
    mmse, demented = (v[last][order[1]] for v in (scores.target, cdr.target > 0))
except OSError as error:
    print(error)
    names, stand_in = [f"x{j}" for j in range(7)] + ["score 1"], " (SIMULATED people)"
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 8))
    ill = X[:, 0] - X[:, 7] + 0.5 * X[:, 2]
    mmse = np.clip(np.round(27 - 2 * ill + 2 * rng.normal(size=150)), 0, 30)
    demented = rng.random(150) < 1 / (1 + np.exp(-1.5 * ill))
TASKS = ["MMSE", "demented"]
print(f"{len(mmse)} people{stand_in}: mean MMSE {mmse.mean():.1f}, {demented.mean():.0%} demented")

# %% [markdown]
# ## One fit of two losses
#
# Columns of a plain array are the tasks 0 and 1. The score is divided by its standard deviation, so
# that one unit of strength means about the same to both losses. `predict` returns a number for the
# score, a probability for the diagnosis. With the L1 norm, which knows no tasks, the fit of
# both is the fit of each, to rounding.


# %%
def prepared(rows):
    """All people, filled and standardised by those trained on; the score in their units."""
    Z = np.where(np.isnan(X), np.nanmedian(X[rows], axis=0), X)
    Z = (Z - Z[rows].mean(axis=0)) / Z[rows].std(axis=0)
    return Z, np.column_stack([mmse / mmse[rows].std(), demented])


LOSS = {0: "squared", 1: "logistic"}
Z, targets = prepared(np.arange(len(mmse)))
both = LassoRegressor(loss=LOSS, lambda1=0.05, tol=1e-10).fit(Z, targets)
assert both.relative_gap_ <= 1e-10
for t, loss in LOSS.items():
    alone = LassoRegressor(loss=loss, lambda1=0.05, tol=1e-10).fit(Z, targets[:, t])
    print(f"{TASKS[t]:10s} largest difference of a coefficient, both fits and one: "
          f"{np.abs(both.coef_[t] - alone.coef_).max():.1e}")  # fmt: skip
    assert np.allclose(both.coef_[t], alone.coef_, atol=1e-5)
probability = both.predict(Z)[:, 1]
assert ((probability > 0.0) & (probability < 1.0)).all()

# %% [markdown]
# ## Does it help?


# %%
GRID = np.geomspace(0.02, 0.4, 5)
MODELS = {  # what is fitted at once
    "together": JointFeatureRegressor(loss=LOSS, tol=1e-5),
    "apart": LassoRegressor(loss=LOSS, tol=1e-5),
}


def losses(predicted, rows, targets):
    """Half squares of the score in its units, and the log loss of the diagnosis, of people."""
    p = np.clip(predicted[:, 1], 1e-9, 1 - 1e-9)
    right = np.where(targets[rows, 1] == 1.0, p, 1.0 - p)
    return np.column_stack([0.5 * (predicted[:, 0] - targets[rows, 0]) ** 2, -np.log(right)])


worst_gap = 0.0


def fit(name, lambda1, rows, Z, targets):
    global worst_gap
    model = MODELS[name].set_params(lambda1=lambda1).fit(Z[rows], targets[rows])
    worst_gap = max(worst_gap, model.relative_gap_)
    return model.predict


def predictions(name, rows, test):
    """Of the test people; strengths by four folds: one for both targets, or one for each."""
    Z, targets = prepared(rows)
    found = np.zeros((len(GRID), 2))
    folds = np.arange(len(rows)) % 4
    for k, lambda1 in enumerate(GRID):
        for fold in range(4):
            a, b = rows[folds != fold], rows[folds == fold]
            predict = fit(name, lambda1, a, Z, targets)
            found[k] += losses(predict(Z[b]), b, targets).sum(axis=0)
    best = found.argmin(axis=0) if name == "apart" else [found.sum(axis=1).argmin()] * 2
    each = [fit(name, GRID[k], rows, Z, targets)(Z[test])[:, t] for t, k in enumerate(best)]
    return losses(np.column_stack(each), test, targets).mean(axis=0)


SIZES, N_SPLITS = (30, 100), 4 if stand_in else 10
errors = {name: np.empty((len(SIZES), N_SPLITS, 2)) for name in MODELS}
for k, size in enumerate(SIZES):
    splits = ShuffleSplit(N_SPLITS, train_size=size, test_size=50, random_state=0)
    for split, (train, test) in enumerate(splits.split(Z)):
        for name in MODELS:
            errors[name][k, split] = predictions(name, train, test)
print(f"largest relative gap of all fits: {worst_gap:.1e}")
assert worst_gap <= 1e-5


def shown(values, sign=""):
    return f"{values.mean():{sign}.3f} ({values.std(ddof=1) / np.sqrt(len(values)):.3f})"


print(f"test loss, mean and s.e. of {N_SPLITS} splits, and the paired gain of one fit{stand_in}")
print(f"{'people':8s}{'target':10s}{'apart':>16s}{'together':>16s}{'gain':>17s}")
for k, size in enumerate(SIZES):
    for t, task in enumerate(TASKS):
        apart, together = (errors[name][k, :, t] for name in ("apart", "together"))
        cells = f"{shown(apart):>16s}{shown(together):>16s}{shown(apart - together, '+'):>17s}"
        print(f"{size:<8d}{task:10s}{cells}")
        assert stand_in or abs((apart - together).mean()) < 0.1 * apart.mean()

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.6), layout="constrained")
for t, (ax, what) in enumerate(zip(axes, ("half squared error", "log loss"), strict=True)):
    for colour, (name, error) in zip(("C0", "C2"), errors.items(), strict=True):
        se = error[:, :, t].std(axis=1, ddof=1) / np.sqrt(N_SPLITS)
        ax.errorbar(SIZES, error[:, :, t].mean(axis=1), se, fmt="o-", color=colour, label=name)
    ax.set(xlabel="people trained on", ylabel=f"{what}, mean and s.e.")
    ax.set_xticks(SIZES)
    ax.set_title(TASKS[t] + stand_in)
axes[0].legend()
plt.show()

# %% [markdown]
# On the real data there is little to gain: the score of the first visit says most about both
# targets, and who shares has one strength for both. With 30 people the diagnosis gains about one
# standard error; nothing is lost that could be told from 0.
#
# ## What the model looks like
#
# All people. Coefficients are per standard deviation of a feature: of the score in its standard
# deviations, and of the log odds of the diagnosis. What lowers the score raises the odds: of the
# features whose coefficients are above 0.05 in both, the signs are opposite.

# %%
Z, targets = prepared(np.arange(len(mmse)))
model = JointFeatureRegressor(loss=LOSS, lambda1=0.03, tol=1e-8).fit(Z, targets)
assert model.relative_gap_ <= 1e-8
figure, ax = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
CoefficientMapDisplay(model.coef_, tasks=TASKS, feature_names=names).plot(ax=ax)
ax.set_title("one fit of both" + stand_in)
plt.show()
for name, w in zip(names, model.coef_.T, strict=True):
    print(f"{name:16s}" + "".join(f"{value:+8.3f}" for value in w))
used = (model.coef_ != 0.0).any(axis=0)
strong = np.abs(model.coef_).min(axis=0) > 0.05
print(f"{used.sum()} of {len(names)} features are used{stand_in}")
assert used.any()
assert stand_in or (strong.any() and (np.prod(model.coef_[:, strong], axis=0) < 0.0).all())
