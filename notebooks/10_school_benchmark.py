# %% [markdown]
# # School, ten published splits: print, original code, optimum, tuned
#
# 139 schools, 15,362 pupils, 28 raw columns (25 of 0 and 1, two of larger numbers, a constant that
# does for an intercept); ten 75/25 splits published with Zhang and Li, CIKM 2019
# (squall1988/multi-task-gradient-boosting).
# Their README lists MALSAR's models at fixed strengths of the objective
# $\frac12 \sum_t \|X_t w_t - y_t\|^2 + \rho\,\Omega(W)$; the error is the RMSE of a school on its
# test rows, averaged over the schools, then mean and *variance* ("+/-") over the splits.
#
# For every printed method the table has four columns, all on the same ten splits:
#
# | column | what it is |
# |---|---|
# | published | as printed in the README |
# | Octave re-run | MALSAR's scripts as they are, under GNU Octave; quoted, not computed here |
# | optimum | the minimum of the very same objective, computed here and certified |
# | tuned | the same kind of objective, strengths by five folds of each training part |
#
# Why the first two differ from the optimum: MALSAR's scripts start at $W = X^\top y$, whose
# objective is 3e16, and 1,500 steps do not come back from there. The first figure shows it for the
# Lasso.
#
# Data: `fetch_school` (downloaded, or from the folder `MALSAR_PY_DATA`); the masks of the splits
# are shipped. Without them the notebook runs on simulated schools, and every title says so.

# %%
import matplotlib.pyplot as plt
import numpy as np

from malsar_py import (
    DirtyRegressor,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    RobustFeatureRegressor,
    TraceNormRegressor,
)
from malsar_py.datasets import fetch_school, load_school_splits, make_low_rank
from malsar_py.metrics import mean_task_rmse
from malsar_py.model_selection import MultiTaskSearchCV, TaskShuffleSplit
from malsar_py.plotting import CVCurveDisplay

plt.style.use("seaborn-v0_8-colorblind")
try:
    school = fetch_school()
    X, y, tasks, stand_in = school.data, school.target, school.tasks, ""
    splits = load_school_splits()
except OSError as error:
    print(error)
    stand_in = " (SIMULATED schools)"
    X, y, tasks = make_low_rank(n_tasks=139, n_samples=110, n_features=28, random_state=0)
    splits = list(TaskShuffleSplit(10, random_state=0).split(X, y, tasks=tasks))
n_tasks, n_train = len(np.unique(tasks)), len(splits[0][0])
print(n_tasks, "schools;", n_train, "rows to train,", len(splits[0][1]), "to test" + stand_in)


def rmse(model, test):
    """Mean over the schools of the RMSE on test rows."""
    return mean_task_rmse(y[test], model.predict(X[test], tasks=tasks[test]), tasks[test])


# %% [markdown]
# ## An early stop, and the optimum
#
# Accelerated proximal gradient (Beck and Teboulle 2009, the step halved until it descends enough)
# for the Lasso at $\rho = 100$ on the first split, from the two starts. Octave's run of the script
# prints, from $X^\top y$: 2.8659e16 after step 1, 5.79749e8 after 100, 1,077,460.5 after 1,500
# (from zero it stops after 628 steps, at 740,705). The dotted line is the library's certificate.

# %%
RHO, N_STEPS = 100.0, 1500
train, test = splits[0]
rows = [train[tasks[train] == t] for t in np.unique(tasks)]
H = np.array([X[own].T @ X[own] for own in rows])
c = np.array([X[own].T @ y[own] for own in rows])
half_yy = 0.5 * float(y[train] @ y[train])


def fista(W):
    """Objective after every step of FISTA from W (schools x features)."""
    history, L, previous, t, momentum = [], 1.0, W, 1.0, 0.0
    for _ in range(N_STEPS):
        Z = W + momentum * (W - previous)
        HZ = np.matmul(H, Z[:, :, None])[:, :, 0]
        gradient = HZ - c
        while True:
            V = Z - gradient / L
            V = np.sign(V) * np.maximum(np.abs(V) - RHO / L, 0.0)
            D = V - Z
            HD = np.matmul(H, D[:, :, None])[:, :, 0]
            if (D * HD).sum() <= L * (D * D).sum():
                break
            L *= 2.0
        t_next = (1.0 + np.sqrt(1.0 + 4.0 * t**2)) / 2.0
        previous, W, t, momentum = W, V, t_next, (t - 1.0) / t_next
        smooth = 0.5 * ((HZ + HD) * V).sum() - (c * V).sum() + half_yy
        history.append(smooth + RHO * np.abs(V).sum())
    return np.array(history)


from_data, from_zero = fista(c.copy()), fista(np.zeros_like(c))
unit = n_train / n_tasks  # our losses are means: MALSAR's objective is ours times rows per task
lasso = LassoRegressor(lambda1=RHO / unit, task_weight="size", fit_intercept=False, tol=1e-7)
lasso.fit(X[train], y[train], tasks=tasks[train])
optimum, gap = lasso.objective_[-1] * unit, lasso.dual_gap_ * unit
print(f"optimum {optimum:,.1f}, proven to {gap:.2g}")
OCTAVE = {
    1: 2.8659e16,
    2: 9.21372e15,
    100: 5.79749e8,
    500: 7.93493e6,
    1000: 1.67608e6,
    1500: 1077460.5,
}
print("step      FISTA from X'y   FISTA from zero   Octave's run of the script")
for step, value in OCTAVE.items():
    print(f"{step:4d} {from_data[step - 1]:18.7g}{from_zero[step - 1]:18.7g}", end="")
    print("" if stand_in else f"{value:18.7g}")
if not stand_in:
    assert abs(optimum / 738_791 - 1.0) < 1e-5
    for step, value in OCTAVE.items():
        assert abs(from_data[step - 1] / value - 1.0) < 1e-3
    assert abs(from_zero[627] / 740_705 - 1.0) < 1e-3  # where the script stops from zero

# %%
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
steps = np.arange(1, N_STEPS + 1)
ax.plot(steps, from_data / optimum - 1.0, label="FISTA from $X^T y$ (the scripts' start)")
ax.plot(steps, from_zero / optimum - 1.0, "C2--", label="FISTA from 0")
bound = np.full(N_STEPS, max(gap / optimum, 1e-16))
ax.plot(steps, bound, "k:", label="proven gap of the library's fit")
ax.set(yscale="log", xlabel="step", ylabel="objective above the optimum, relative")
ax.set_title("Lasso, $\\rho$ = 100, split 1" + stand_in)
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## The optimum of the printed objectives
#
# Every fit carries a duality gap; the largest of the ten splits is printed, as is the objective on
# the first split, in MALSAR's unit. The library's losses are means over a task's rows; with
# `task_weight="size"` every row counts alike, as in MALSAR's sum of squares.

# %%
BY_SIZE = {"task_weight": "size", "fit_intercept": False}
PRINTED = {  # published, Octave: (mean, variance) over the splits
    "Lasso": ((11.216, 0.010), (11.2161, 0.0096)),
    "Trace": ((11.452, 0.012), (11.4519, 0.0124)),
    "rMTFL": ((10.467, 0.027), (10.4563, 0.0296)),
    "Dirty": ((10.411, 0.029), (10.4199, 0.0297)),
}
AT_PRINTED = {
    "Lasso": LassoRegressor(lambda1=100 / unit, tol=1e-6, **BY_SIZE),
    "Trace": TraceNormRegressor(lambda1=100 / unit, tol=1e-5, **BY_SIZE),
    "rMTFL": RobustFeatureRegressor(lambda1=90 / unit, lambda2=280 / unit, tol=1e-5, **BY_SIZE),
    "Dirty": DirtyRegressor(lambda1=350 / unit, lambda2=10 / unit, tol=1e-4, **BY_SIZE),
}
optimal = {name: [] for name in AT_PRINTED}
for name, model in AT_PRINTED.items():
    gaps = []
    for k, (train, test) in enumerate(splits):
        model.fit(X[train], y[train], tasks=tasks[train])
        optimal[name].append(rmse(model, test))
        gaps.append(model.relative_gap_)
        if k == 0:
            print(f"{name}: objective on split 1 {model.objective_[-1] * unit:,.1f}", end="")
    print(f"; largest relative gap {max(gaps):.1e}")
    assert max(gaps) <= model.tol

# %% [markdown]
# ## Strengths chosen on the training rows
#
# Five folds of every training part; the grids surround the minima that a wider search found on the
# training rows of split 1. The last four models are not in the print: they say what simple models
# do. *Pooled ridge* is one regression for all schools.

# %%
RIDGE = (MeanRegularizedRegressor(lambda1=0.0, **BY_SIZE), [0.0])
TUNED = {  # model, values of lambda1, of lambda2
    "Lasso": (LassoRegressor(tol=1e-2, **BY_SIZE), np.geomspace(0.5, 0.15, 4), None),
    "Trace": (TraceNormRegressor(tol=1e-3, **BY_SIZE), np.geomspace(10, 2.5, 5), None),
    "rMTFL": (
        RobustFeatureRegressor(tol=1e-3, **BY_SIZE),
        np.geomspace(4, 1, 3),
        [1.0, 3.0],
    ),
    "Dirty": (DirtyRegressor(tol=1e-3, **BY_SIZE), np.geomspace(30, 8, 3), [0.3, 1.0]),
    "L2,1": (JointFeatureRegressor(tol=1e-3, **BY_SIZE), np.geomspace(6, 0.8, 5), None),
    "single-task ridge": (*RIDGE, np.geomspace(0.01, 0.2, 5)),
    "pooled ridge": (*RIDGE, np.geomspace(1e-5, 0.1, 5)),
    "mean-regularised": (MeanRegularizedRegressor(**BY_SIZE), np.geomspace(0.1, 1e4, 8), None),
}
tuned, searches = {}, {}
for name, (model, lambda1, lambda2) in TUNED.items():
    tuned[name], chosen, gaps = [], [], []
    labels = np.zeros(len(y)) if name == "pooled ridge" else tasks
    for train, test in splits:
        search = MultiTaskSearchCV(
            model, lambda1=lambda1, lambda2=lambda2, cv=5, scoring="neg_mean_task_rmse"
        ).fit(X[train], y[train], tasks=labels[train])
        predicted = search.predict(X[test], tasks=labels[test])
        tuned[name].append(mean_task_rmse(y[test], predicted, tasks[test]))
        gaps.append(search.best_estimator_.relative_gap_)
        chosen.append(search.best_params_)
        searches.setdefault(name, search)
    ranges = [(key, [float(params[key]) for params in chosen]) for key in sorted(chosen[0])]
    shown = (f"{key} {min(values):.3g} to {max(values):.3g};" for key, values in ranges)
    print(f"{name:18s}", *shown, f"largest relative gap {max(gaps):.1e}")
    assert max(gaps) <= model.tol

# %% [markdown]
# ## The table
#
# "+/-" is the variance over the splits, as printed; "s.e." is the standard deviation of the ten
# splits over $\sqrt{10}$ (their test rows overlap, so it understates).


# %%
def spread(values):
    return f"{np.mean(values):7.3f} +/- {np.var(values, ddof=1):.4f}"


print("mean over schools of the RMSE on ten splits" + stand_in)
print(f"{'':18s}{'published':>18s}{'Octave re-run':>20s}{'optimum':>20s}{'tuned':>20s}  (s.e.)")
for name in TUNED:
    cells = ["", ""]
    if name in PRINTED and not stand_in:
        cells = ["{:7.3f} +/- {:.3f}".format(*PRINTED[name][0])]
        cells.append("{:7.3f} +/- {:.4f}".format(*PRINTED[name][1]))
    cells.append(spread(optimal[name]) if name in optimal else "")
    cells.append(spread(tuned[name]))
    se = np.std(tuned[name], ddof=1) / np.sqrt(len(splits))
    line = f"{name:18s}{cells[0]:>18s}" + "".join(f"{cell:>20s}" for cell in cells[1:])
    print(line + f"  ({se:.3f})")
if not stand_in:
    print("independent XGBoost 10.767; aggregate XGBoost 11.099 (published)")
    print("multi-task boosted trees 8.993 +/- 0.232 and 8.998 +/- 0.239 (published)")
print("\ngain of the mean-regularised model, mean over the splits (s.e.)" + stand_in)
gains = {}
for other in ("single-task ridge", "pooled ridge"):
    gain = np.array(tuned[other]) - np.array(tuned["mean-regularised"])
    gains[other] = gain.mean(), gain.std(ddof=1) / np.sqrt(len(gain))
    print("over {}: {:.3f} ({:.3f})".format(other, *gains[other]))
if not stand_in:
    assert abs(np.mean(optimal["Lasso"]) - 10.869) < 0.005
    assert abs(np.mean(optimal["Trace"]) - 10.003) < 0.005
    assert abs(np.mean(tuned["mean-regularised"]) - 9.863) < 0.03
    assert abs(np.mean(tuned["single-task ridge"]) - 10.150) < 0.03
    assert all(mean > 3 * se for mean, se in gains.values())
    for name in PRINTED:  # tuning helps every printed model, and none was at its optimum
        assert np.mean(tuned[name]) < np.mean(optimal[name]) < PRINTED[name][0][0]

# %%
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
names = list(TUNED)[::-1]
place = {name: i for i, name in enumerate(names)}
published = {name: values[0][0] for name, values in PRINTED.items()}
rerun = {name: values[1][0] for name, values in PRINTED.items()}
series = [  # label, values, marker, its options
    ("published", {} if stand_in else published, "x", {"color": "k"}),
    ("Octave re-run", {} if stand_in else rerun, "o", {"color": "0.5", "mfc": "none", "ms": 10}),
    ("optimum of the printed objective", optimal, "s", {"color": "C2"}),
    ("tuned by cross-validation", tuned, "o", {"color": "C0"}),
]
for label, values, marker, options in series:
    if not values:
        continue
    mean = [np.mean(values[name]) for name in values]
    bars = [np.std(v, ddof=1) / np.sqrt(len(splits)) if np.ndim(v) else 0 for v in values.values()]
    at = [place[name] for name in values]
    ax.errorbar(mean, at, xerr=bars, fmt=marker, capsize=2, label=label, **options)
ax.set_yticks(range(len(names)), names)
ax.grid(axis="x", alpha=0.3)
ax.set(xlabel="mean over schools of the test RMSE, ten splits (bars: 1 s.e.)")
ax.set_title("School" + stand_in)
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# The multi-task trees' printed 8.99 is not reached by any linear model here (the best has 9.88). We
# have not re-run it. The curve below is the search of the mean-regularised model on the first
# split: to its right all schools have nearly one model, to its left each has nearly its own.

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
CVCurveDisplay.from_estimator(searches["mean-regularised"], ax=ax)
ax.set_title("Mean-regularised model, split 1, five folds" + stand_in)
plt.show()
