# %% [markdown]
# # Counts and outliers: the loss is a choice
#
# Every regressor takes a `loss`. Two cases in which the squared loss is the wrong one:
#
# 1. **Counts**: ticks on 403 red grouse chicks at 63 places (Elston et al. 2001; `grouseticks` of
#    R's lme4), 0 to 85 of them. `loss="poisson"` against the squared loss on broods that were not
#    seen, with place effects shrunk in both.
# 2. **Outliers**: simulated tasks of which one target in ten is grossly wrong. `loss="huber"`
#    against the squared loss, by the error of the coefficients.
#
# Every fit's gap is asserted.
#
# Data: `fetch_grouseticks` (downloaded, or from the folder `MALSAR_PY_DATA`). Without it the first
# part runs on simulated chicks, and every title says so.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from malsar_py import JointFeatureRegressor, MeanRegularizedRegressor
from malsar_py.datasets import fetch_grouseticks, make_joint_feature
from malsar_py.model_selection import MultiTaskSearchCV

plt.style.use("seaborn-v0_8-colorblind")
try:
    grouse, stand_in = fetch_grouseticks(), ""
    places, broods, ticks = grouse.tasks, grouse.groups, grouse.target
    metres, year = grouse.data[:, 0], 95 + grouse.data[:, 1:] @ [1.0, 2.0]
except OSError as error:
    print(error)
    stand_in = " (SIMULATED chicks)"
    rng = np.random.default_rng(0)
    broods = np.repeat(np.arange(118), rng.integers(1, 7, 118))
    places = rng.integers(1, 64, 118)[broods]
    metres, year = rng.uniform(403, 533, 64)[places], rng.integers(95, 98, 118)[broods]
    rate = np.exp(0.5 - (metres - 460) / 40 + (year == 96) - (year == 97))
    ticks = rng.poisson(rate * rng.gamma(1.0, 1.0, 64)[places]).astype(float)
X = np.column_stack([(metres - 460.0) / 100.0, year == 96, year == 97]).astype(float)
NAMES = ["100 m of height", "1996 against 1995", "1997 against 1995"]
print(f"{len(ticks)} chicks of {len(np.unique(broods))} broods at {len(np.unique(places))} places"
      f"{stand_in}: {ticks.mean():.1f} ticks on average, variance {ticks.var():.0f}")  # fmt: skip

# %% [markdown]
# ## Ticks: models
#
# The tasks are the places. Slopes are the same everywhere (a large lambda1); places differ by their
# intercepts, which are drawn to their mean (`intercept_shrinkage`): so the height of a place, which
# is constant within it, has an effect, a place without a tick has a finite intercept, and a new
# place is predicted with the mean (`unseen="mean"`). The strengths are chosen by four folds of the
# training broods, each loss by its own score.


# %%
def model(loss, **strengths):
    return MeanRegularizedRegressor(
        loss=loss, lambda1=1000.0, task_weight="size", unseen="mean", **strengths
    )


def deviance(y, mean):
    """Half the Poisson deviance of each row; means below a hundredth of a tick count as that."""
    mean = np.maximum(mean, 0.01)
    return mean - y + np.where(y > 0, y * np.log(np.maximum(y, 1.0) / mean), 0.0)


def squares(y, mean):
    return 0.5 * (y - mean) ** 2


SCORES = {"poisson": deviance, "squared": squares}
GRID = [{"intercept_shrinkage": k, "lambda2": r} for k in (0.03, 0.3, 3.0) for r in (0.01, 0.1)]
worst_gap = 0.0


def fitted(loss, rows, **strengths):
    global worst_gap
    found = model(loss, **strengths).fit(X[rows], ticks[rows], tasks=places[rows])
    worst_gap = max(worst_gap, found.relative_gap_)
    return found


def chosen(loss, rows):
    """The model with the strengths that predict other broods of these rows best."""
    folds = list(GroupKFold(4).split(rows, groups=broods[rows]))
    losses = []
    for strengths in GRID:
        found = [(fitted(loss, rows[a], **strengths), rows[b]) for a, b in folds]
        losses.append(
            sum(SCORES[loss](ticks[b], m.predict(X[b], tasks=places[b])).sum() for m, b in found)
        )
    return fitted(loss, rows, **GRID[int(np.argmin(losses))])


# %% [markdown]
# ## Ticks: broods that were not seen
#
# Random splits of the broods, two thirds to train. Errors are means over the test chicks, with
# standard errors over the splits (which overlap, so these are too small); gains are paired.

# %%
N_SPLITS = 4 if stand_in else 12
errors = {(loss, score): [] for loss in SCORES for score in SCORES}
below = []
for train, test in GroupShuffleSplit(N_SPLITS, test_size=1 / 3, random_state=0).split(
    X, groups=broods
):
    for loss in SCORES:
        mean = chosen(loss, train).predict(X[test], tasks=places[test])
        for score, of in SCORES.items():
            errors[loss, score].append(of(ticks[test], mean).mean())
        if loss == "squared":
            below.append((mean < 0.0).mean())
errors = {key: np.array(values) for key, values in errors.items()}


def shown(values, sign=""):
    return f"{values.mean():{sign}.2f} ({values.std(ddof=1) / np.sqrt(len(values)):.2f})"


print(f"test error of a chick, mean and s.e. of {N_SPLITS} splits of the broods{stand_in}")
print(f"{'loss':10s}{'half deviance':>18s}{'half square':>18s}")
for loss in SCORES:
    print(f"{loss:10s}" + "".join(f"{shown(errors[loss, score]):>18s}" for score in SCORES))
gain = errors["squared", "poisson"] - errors["poisson", "poisson"]
print(f"gain in half deviance by the Poisson loss: {shown(gain, '+')}")
print(f"the squared loss predicts a negative number for {np.mean(below):.0%} of the chicks")
print(f"largest relative gap of all fits: {worst_gap:.1e}")
assert worst_gap <= 1e-6
assert gain.mean() > 2.0 * gain.std(ddof=1) / np.sqrt(N_SPLITS)
assert np.mean(below) > 0.0

# %% [markdown]
# ## Ticks: what the models say
#
# All chicks. A coefficient of the Poisson model multiplies: `exp` of it is the factor on the number
# of ticks. On the real data 100 m of height leave less than a quarter of the ticks. The curves are
# for a place that was not seen; in 1997, a year of few ticks, the straight line goes below 0.

# %%
everything = np.arange(len(ticks))
models = {loss: chosen(loss, everything) for loss in SCORES}
for name, w in zip(NAMES, models["poisson"].coef_.mean(axis=0), strict=True):
    print(f"{name:20s} number of ticks times {np.exp(w):.2f}{stand_in}")
height = models["poisson"].coef_.mean(axis=0)[0]
assert height < 0.0
if not stand_in:
    assert np.exp(height) < 1 / 4
figure, axes = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained")
line = np.linspace(metres.min(), metres.max(), 200)
for ax, shown_year in zip(axes, (96, 97), strict=True):
    own = year == shown_year
    ax.plot(metres[own], ticks[own], "o", ms=3, alpha=0.5, color="0.5", label="chicks")
    Z = np.column_stack([(line - 460.0) / 100.0, np.full((200, 2), shown_year) == [96, 97]])
    for colour, (loss, found) in zip(("C0", "C2"), models.items(), strict=True):
        curve = found.predict(Z, tasks=np.full(200, -1))
        ax.plot(line, curve, color=colour, label=loss)
        print(f"19{shown_year}, {loss}: {curve.min():.1f} to {curve.max():.1f} ticks{stand_in}")
        assert loss == "squared" or curve.min() > 0.0
    ax.axhline(0.0, color="black", lw=0.7)
    ax.set(xlabel="height, m", ylabel="ticks on a chick")
    ax.set_title(f"19{shown_year}, a place not seen" + stand_in)
axes[0].legend(fontsize=8)
plt.show()

# %% [markdown]
# ## Outliers
#
# Eight tasks of 40 rows and 20 features, of which the same five count in every task; noise 1. A
# share of the targets is replaced by draws from N(0, 10^2). $\lambda_1$ of both losses is chosen by
# four folds, each by its own score; delta of Huber's loss is 1.35, the default, for noise of
# standard deviation 1. Errors of the coefficients, mean and standard error of eight draws.

# %%
SHARES, SEEDS = [0.0, 0.05, 0.1, 0.2], range(8)
GRID = np.geomspace(0.02, 10.0, 9)
# With many outliers W = 0 may be the best that the squared loss can do: the search warns of that.
warnings.filterwarnings("ignore", category=UserWarning)
misses = {loss: np.empty((len(SEEDS), len(SHARES))) for loss in ("huber", "squared")}
worst_gap = 0.0
for seed in SEEDS:
    X, y, tasks, W = make_joint_feature(8, 40, coef=True, random_state=seed)
    rng = np.random.default_rng(seed)
    wrong, order = 10.0 * rng.standard_normal(len(y)), rng.permutation(len(y))
    for k, share in enumerate(SHARES):
        spoilt, rows = y.copy(), order[: int(share * len(y))]
        spoilt[rows] = wrong[rows]
        for loss in misses:
            search = MultiTaskSearchCV(
                JointFeatureRegressor(loss=loss, tol=1e-5), lambda1=GRID, cv=4
            ).fit(X, spoilt, tasks=tasks)
            worst_gap = max(worst_gap, search.best_estimator_.relative_gap_)
            misses[loss][seed, k] = np.linalg.norm(search.best_estimator_.coef_ - W)
print(f"largest relative gap of the fits: {worst_gap:.1e}")
assert worst_gap <= 1e-5
print("error of the coefficients, mean and s.e. of 8 draws")
print(f"{'outliers':10s}" + "".join(f"{loss:>16s}" for loss in misses) + f"{'ratio':>9s}")
for k, share in enumerate(SHARES):
    ratio = misses["huber"][:, k].mean() / misses["squared"][:, k].mean()
    print(f"{share:<10.0%}" + "".join(f"{shown(m[:, k]):>16s}" for m in misses.values())
          + f"{ratio:9.2f}")  # fmt: skip
at_ten = SHARES.index(0.1)
assert misses["huber"][:, at_ten].mean() <= 0.5 * misses["squared"][:, at_ten].mean()
assert misses["huber"][:, 0].mean() <= 1.2 * misses["squared"][:, 0].mean()

# %%
figure, ax = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
for (loss, miss), colour in zip(misses.items(), ("C0", "C2"), strict=True):
    se = miss.std(axis=0, ddof=1) / np.sqrt(len(SEEDS))
    ax.errorbar(100 * np.array(SHARES), miss.mean(axis=0), se, fmt="o-", color=colour, label=loss)
ax.set(
    xlabel="outliers among the targets, %", ylabel="error of the coefficients, $\\|W - W^*\\|_F$"
)
ax.set_ylim(bottom=0.0)
ax.set_xticks([0, 5, 10, 20])
ax.set_title("Joint feature selection, 8 draws")
ax.legend()
plt.show()
