# %% [markdown]
# # Partial pooling: the textbook pictures, against statsmodels
#
# One line for everybody (*complete pooling*) ignores how tasks differ; a line for each (*no
# pooling*) takes noise for difference where rows are few. A hierarchical, or mixed, model takes the
# middle: each task is drawn to the common line, the more so the fewer rows it has, and how far is
# learnt from the data:
#
# $$y_{ti} = b_0 + a_t + x_{ti}^\top (m + u_t) + e_{ti}, \qquad (a_t, u_t) \sim N(0, \Sigma).$$
#
# `MixedEffectsRegressor` estimates the variances by restricted maximum likelihood. Here it draws
# the pictures of four data sets that textbooks and packages teach it with:
#
# | data | tasks | picture |
# |---|---|---|
# | sleepstudy (lme4) | 18 persons, 10 nights each | the three kinds of lines; shrinkage arrows |
# | radon (Gelman, Hill 2007) | 85 counties, 1 to 116 houses | levels by size, and by uranium |
# | Exam (MLwiN's tutorial) | 65 schools | a caterpillar of intervals |
# | School | 139 schools | new schools with 0 to 20 labelled pupils |
#
# sleepstudy and radon are tables beside the folder `MALSAR_PY_DATA` (in `../cases/tables` of it);
# without them their parts are skipped with a word. Without School, the last part runs on simulated
# schools and says so.

# %%
import csv
import os
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm

from malsar_py import MeanRegularizedRegressor, MixedEffectsRegressor
from malsar_py.datasets import fetch_school, load_exam, make_clustered
from malsar_py.metrics import mean_task_rmse

plt.style.use("seaborn-v0_8-colorblind")
GREY, NONE, PART, ALL = "0.6", "C2", "C0", "k"
TABLES = Path(os.environ.get("MALSAR_PY_DATA", "../../shared/data")).parent / "cases" / "tables"


def table(name):
    """Columns of a table, or None where there is none."""
    path = TABLES / name
    if not path.is_file():
        print(f"skipped: there is no table {name} here")
        return None
    with path.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def lines(X, y, tasks):
    """Least squares for each task by itself: intercept and slope."""
    return np.array(
        [np.polyfit(X[tasks == t, 0], y[tasks == t], 1)[::-1] for t in np.unique(tasks)]
    )


def statsmodels_fit(X, y, tasks, random):
    """The same model in statsmodels, the columns `random` of [1, X] with random effects."""
    Z = sm.add_constant(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where a variance is near 0
        return sm.MixedLM(y, Z, groups=tasks, exog_re=Z[:, random]).fit(reml=True)


# %% [markdown]
# ## sleepstudy: reaction times over ten nights of little sleep

# %%
sleep = table("rd_sleepstudy.csv")
if sleep is not None:
    X, y, tasks = (
        sleep["Days"].astype(float)[:, None],
        sleep["Reaction"].astype(float),
        sleep["Subject"],
    )
    plain = {"covariance": "full", "prior": np.inf, "prior_mean": False}
    mixed = MixedEffectsRegressor(**plain).fit(X, y, tasks=tasks)
    print(mixed.fit_report())

    other = statsmodels_fit(X, y, tasks, [0, 1])
    sd = np.sqrt(np.diag(mixed.random_variance_))
    correlation = mixed.random_variance_[0, 1] / sd.prod()
    ours = [mixed.intercept_mean_, mixed.coef_mean_[0], *sd, correlation, np.sqrt(mixed.sigma2_)]
    theirs_sd = np.sqrt(np.diag(other.cov_re))
    theirs = [
        *other.fe_params,
        *theirs_sd,
        other.cov_re[0, 1] / theirs_sd.prod(),
        np.sqrt(other.scale),
    ]
    published = [251.405, 10.467, 24.741, 5.922, 0.066, 25.592]  # lme4's documentation
    names = ["intercept", "Days", "sd intercept", "sd Days", "correlation", "sd residual"]
    print(f"{'':14}{'malsar_py':>10}{'statsmodels':>13}{'lme4':>10}")
    for row in zip(names, ours, theirs, published, strict=True):
        print("{:14}{:10.3f}{:13.3f}{:10.3f}".format(*row))
    print(f"log-likelihood {mixed.log_likelihood_:.4f}, statsmodels {other.llf:.4f}")
    np.testing.assert_allclose(ours, published, atol=6e-4)
    assert mixed.log_likelihood_ >= other.llf - 1e-6

# %% [markdown]
# Each person with three lines: the common one, their own least squares, and the partially pooled
# one between the two. Bands hold 90 % of new measurements.

# %%
if sleep is not None:
    alone, complete = lines(X, y, tasks), np.polyfit(X[:, 0], y, 1)[::-1]
    nights = np.linspace(0.0, 9.0, 30)
    figure, axes = plt.subplots(
        3, 6, figsize=(12, 6.4), sharex=True, sharey=True, layout="constrained"
    )
    for t, (label, ax) in enumerate(zip(mixed.tasks_, axes.flat, strict=True)):
        own = tasks == label
        mean, std = mixed.predict(nights[:, None], tasks=np.full(30, label), return_std=True)
        ax.fill_between(
            nights, mean - 1.645 * std, mean + 1.645 * std, color=PART, alpha=0.15, lw=0
        )
        ax.plot(
            nights, complete[0] + complete[1] * nights, color=ALL, ls=":", label="complete pooling"
        )
        ax.plot(nights, alone[t, 0] + alone[t, 1] * nights, color=NONE, ls="--", label="no pooling")
        ax.plot(nights, mean, color=PART, label="partial pooling")
        ax.plot(X[own, 0], y[own], ".", color="0.2")
        ax.set_title(f"subject {label}", fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.supxlabel("nights")
    figure.supylabel("reaction time [ms]")
    held = (
        np.abs(y - mixed.predict(X, tasks=tasks))
        <= 1.645 * mixed.predict(X, tasks=tasks, return_std=True)[1]
    )
    print(f"{100 * held.mean():.0f} % of the training rows lie in their bands")

# %% [markdown]
# The same as arrows, from each person's own least squares to the pooled line. Lines that are far
# out are drawn in most, along the long axis of the noise; the ellipse holds half of all persons
# according to the model.

# %%
if sleep is not None:
    figure, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
    pooled = np.column_stack([mixed.intercept_, mixed.coef_[:, 0]])
    for start, end in zip(alone, pooled, strict=True):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": GREY})
    ax.plot(*alone.T, "o", color=NONE, label="no pooling")
    ax.plot(*pooled.T, "o", color=PART, label="partial pooling")
    ax.plot(mixed.intercept_mean_, mixed.coef_mean_[0], "k*", ms=14, label="common line")
    angle = np.linspace(0.0, 2.0 * np.pi, 200)
    circle = np.sqrt(2.0 * np.log(2.0)) * np.array([np.cos(angle), np.sin(angle)])
    ellipse = np.linalg.cholesky(mixed.random_variance_) @ circle
    ax.plot(
        mixed.intercept_mean_ + ellipse[0], mixed.coef_mean_[0] + ellipse[1], color=PART, lw=0.8
    )
    ax.set(
        xlabel="reaction time at night 0 [ms]",
        ylabel="slope [ms a night]",
        title="sleepstudy: shrinkage",
    )
    ax.legend(loc="lower left")
    common = np.array([mixed.intercept_mean_, mixed.coef_mean_[0]])
    closer = np.linalg.norm((pooled - common) / sd, axis=1) < np.linalg.norm(
        (alone - common) / sd, axis=1
    )
    print(f"{closer.sum()} of {len(closer)} persons are drawn towards the common line")
    assert closer.mean() > 0.8

# %% [markdown]
# ## Radon: 919 houses in 85 counties
#
# Log radon by whether it was measured in the basement or above (where the column `basement` is 1,
# as the data go around), and the county's log uranium, which is the same for all its houses. Left:
# a mean for each county. Right: the mixed model with random intercepts. Bars: one standard error.
# Counties of one or two houses, whose own means say anything, are drawn to what their uranium says.
# (After Gelman and Hill, Fig. 12.1.) Here statsmodels stops a little short of the highest
# likelihood.

# %%
radon = table("radon.csv")
if radon is not None:
    X = np.column_stack([radon["basement"].astype(float), radon["uranium"].astype(float)])
    y, tasks = radon["log.radon"].astype(float), radon["county.name"]
    mixed = MixedEffectsRegressor(random=[], prior=np.inf, prior_mean=False).fit(X, y, tasks=tasks)
    other = statsmodels_fit(X, y, tasks, [0])
    print(f"log-likelihood {mixed.log_likelihood_:.4f}, statsmodels {other.llf:.4f}")
    print(
        "floor and uranium:",
        mixed.coef_mean_.round(3),
        "statsmodels:",
        other.fe_params[1:].round(3),
    )
    assert mixed.log_likelihood_ >= other.llf - 1e-6
    np.testing.assert_allclose(mixed.coef_mean_, other.fe_params[1:], atol=5e-3)

    counties = mixed.tasks_
    n = np.array([(tasks == c).sum() for c in counties])
    uranium = np.array([X[tasks == c, 1][0] for c in counties])
    at = np.column_stack([np.zeros(len(counties)), uranium])
    level, spread = mixed.predict(at, tasks=counties, return_std=True)
    spread = np.sqrt(
        spread**2 - mixed.sigma2_
    )  # of the county's level, without the noise of a house
    rest = y - mixed.coef_mean_[0] * X[:, 0]
    own = np.array([rest[tasks == c].mean() for c in counties])
    jitter = n * np.exp(np.random.default_rng(0).uniform(-0.1, 0.1, len(n)))
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    for ax, value, error, color, title in (
        (axes[0], own, np.sqrt(mixed.sigma2_ / n), NONE, "no pooling"),
        (axes[1], level, spread, PART, "partial pooling"),
    ):
        ax.errorbar(jitter, value, error, fmt=".", color=color, elinewidth=0.7)
        ax.axhline(rest.mean(), color=ALL, ls=":", lw=1)
        ax.set(xscale="log", xlabel="houses in the county", title=f"radon: {title}")
        ax.set_xticks([1, 10, 100], ["1", "10", "100"])
    axes[0].set_ylabel("log radon in the basement of a county")
    assert level.std() < own.std()

# %% [markdown]
# What a county's level is drawn to: the line over uranium, a feature that is constant within
# counties and has its effect because intercepts are shrunk (with free ones it would be 0). (After
# their Fig. 12.6.)

# %%
if radon is not None:
    figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    ax.errorbar(
        uranium, level, spread, fmt=".", color=PART, elinewidth=0.7, label="partial pooling"
    )
    ends = np.array([uranium.min(), uranium.max()])
    ax.plot(
        ends, mixed.intercept_mean_ + mixed.coef_mean_[1] * ends, color=ALL, label="common model"
    )
    few = n <= 2
    ax.plot(uranium[few], own[few], "x", color=NONE, label="own mean, one or two houses")
    ax.set(xlabel="log uranium of the county", ylabel="log radon", title="radon: levels by uranium")
    ax.legend(loc="upper left")
    free = MeanRegularizedRegressor(lambda1=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that uranium is constant within counties
        free.fit(X, y, tasks=tasks)
    print(
        f"effect of uranium: {mixed.coef_mean_[1]:.2f}; "
        f"with free intercepts {np.abs(free.coef_[:, 1]).max():.2g}"
    )
    assert mixed.coef_mean_[1] > 0.5 and free.relative_gap_ <= free.tol

# %% [markdown]
# ## Exam: which schools differ?
#
# The slope of the intake score in each school with its 90 % interval, sorted, by the mixed model
# and by mean regularisation at the strengths of REML (`lambda1="reml"`): a certified convex fit,
# the mixed model with one variance for all slopes. Half of the rows are held out to see what the
# intervals of predictions hold.

# %%
exam = load_exam()
train = np.random.default_rng(0).permutation(len(exam.target)) % 2 == 0
score = list(exam.feature_names).index("standLRT")
fits = {
    "MixedEffects": MixedEffectsRegressor(),
    'MeanRegularized "reml"': MeanRegularizedRegressor(lambda1="reml", task_weight="size"),
}
figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, fits.items(), strict=True):
    model.fit(exam.data[train], exam.target[train], tasks=exam.tasks[train])
    lower, upper = (ends[:, score] for ends in model.coef_interval(0.9))
    slope = model.coef_[:, score]
    order = np.argsort(slope)
    ax.errorbar(
        np.arange(len(order)),
        slope[order],
        [(slope - lower)[order], (upper - slope)[order]],
        fmt=".",
        color=PART,
        elinewidth=0.7,
    )
    ax.axhline(slope.mean(), color=ALL, ls=":", lw=1)
    ax.set(xlabel="schools, sorted", title=f"Exam: {name}")
    mean, std = model.predict(exam.data[~train], tasks=exam.tasks[~train], return_std=True)
    held = np.abs(exam.target[~train] - mean) <= 1.645 * std
    print(f"{name}: 90 % intervals hold {100 * held.mean():.1f} % of {held.size} new pupils")
    assert 0.87 <= held.mean() <= 0.93
axes[0].set_ylabel("slope of the intake score")
assert fits['MeanRegularized "reml"'].relative_gap_ <= 1e-6

# %% [markdown]
# The same with random intercepts and slopes of the intake score alone, in statsmodels.

# %%
X, y, tasks = exam.data[:, [score]], exam.target, exam.tasks
start = time.perf_counter()
mixed = MixedEffectsRegressor(covariance="full", prior=np.inf, prior_mean=False).fit(
    X, y, tasks=tasks
)
ours = time.perf_counter() - start
start = time.perf_counter()
other = statsmodels_fit(X, y, tasks, [0, 1])
theirs = time.perf_counter() - start
print(
    f"log-likelihood {mixed.log_likelihood_:.6f} ({ours:.2f} s), "
    f"statsmodels {other.llf:.6f} ({theirs:.2f} s)"
)
assert mixed.log_likelihood_ >= other.llf - 1e-6
np.testing.assert_allclose(mixed.random_variance_, other.cov_re, rtol=1e-2, atol=1e-4)

# %% [markdown]
# ## School: new schools with a few labelled pupils
#
# A fifth of the schools is new. Models are fitted to the others, take up the new ones with the
# first 0, 1, 2, 5, 10 and 20 of their pupils by `adapt`, and are tested on the pupils after the
# twentieth. With free intercepts, a few labels are worse than none: the new intercept is that of a
# few pupils.

# %%
try:
    school = fetch_school()
    X, y, tasks, stand_in = school.data, school.target, school.tasks, ""
    varies = np.ptp(X, axis=0) > 0.0
    X = X[:, varies] / X[:, varies].std(axis=0)
except OSError as error:
    print(error)
    stand_in = " (SIMULATED schools)"
    X, y, tasks = make_clustered(
        n_tasks=60, n_samples=60, n_features=10, noise=10.0, random_state=0
    )
rng = np.random.default_rng(1)
labels = np.unique(tasks)
new = np.isin(tasks, rng.permutation(labels)[: len(labels) // 5])
order = rng.permutation(len(y))
X, y, tasks, new = X[order], y[order], tasks[order], new[order]
rank = np.empty(len(y), int)
for t in labels:
    rank[tasks == t] = np.arange((tasks == t).sum())
test = new & (rank >= 20)
strong = {"task_weight": "size", "unseen": "mean"}
models = {
    "MixedEffects": MixedEffectsRegressor(),
    'MeanRegularized "reml"': MeanRegularizedRegressor(lambda1="reml", **strong),
    "MeanRegularized, free intercepts": MeanRegularizedRegressor(
        lambda1=10.0, lambda2=0.1, **strong
    ),
}
labelled = [0, 1, 2, 5, 10, 20]
errors = {}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a feature of the schools is constant within them
    for name, model in models.items():
        model.fit(X[~new], y[~new], tasks=tasks[~new])
        for k in labelled:
            some = new & (rank < k)
            at = model if k == 0 else model.adapt(X[some], y[some], tasks=tasks[some])
            prediction = at.predict(X[test], tasks=tasks[test])
            errors[name, k] = mean_task_rmse(y[test], prediction, tasks[test])
figure, ax = plt.subplots(figsize=(6.8, 4.2), layout="constrained")
for (name, _), style in zip(models.items(), ("o-", "s--", "^:"), strict=True):
    curve = [errors[name, k] for k in labelled]
    ax.plot(labelled, curve, style, label=name)
    print(f"{name:34}", "  ".join(f"{k}: {e:.2f}" for k, e in zip(labelled, curve, strict=True)))
ax.set(
    xlabel="labelled pupils of a new school",
    ylabel="RMSE, mean of the new schools",
    title=f"New schools{stand_in}",
)
ax.legend(loc="upper right")
for name in list(models)[:2]:
    assert errors[name, 5] <= 1.005 * errors[name, 0]
    assert errors[name, 20] <= errors[name, 0]
