# %% [markdown]
# # School, ten published splits: print, original code, optimum, tuned
#
# 139 schools, 15,362 pupils, 28 columns of 0 and 1 (and counts); ten 75/25 splits published with
# Zhang and Li, CIKM 2019 (squall1988/multi-task-gradient-boosting), raw columns, no intercepts.
# Their README lists MALSAR's models at fixed strengths of the objective
# $\frac12 \sum_t \|X_t w_t - y_t\|^2 + \rho\,\Omega(W)$; the error is the RMSE of a school on its
# test rows, averaged over the schools, then mean and *variance* ("+/-") over the splits.
#
# For every printed method the table has four columns: what is printed, what the same scripts give
# under GNU Octave, the optimum of the very same objective, and the model with its strengths chosen
# by cross-validation on the training rows.
#
# Why the first two differ from the optimum: MALSAR's scripts start at $W = X^\top y$, whose
# objective is 3e16, and 1,500 steps do not come back from there. The first figure shows it.
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
from malsar_py.model_selection import MultiTaskSearchCV, TaskShuffleSplit, lambda_grid
from malsar_py.plotting import CVCurveDisplay

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
ax.plot(steps, from_zero / optimum - 1.0, label="FISTA from 0")
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
# the first split, in MALSAR's unit.

# %%
weak = {"task_weight": "size", "fit_intercept": False}
PRINTED = {  # published, Octave: (mean, variance) over the splits
    "Lasso": ((11.216, 0.010), (11.2161, 0.0096)),
    "Trace": ((11.452, 0.012), (11.4519, 0.0124)),
    "rMTFL": ((10.467, 0.027), (10.4563, 0.0296)),
    "Dirty": ((10.411, 0.029), (10.4199, 0.0297)),
}
AT_PRINTED = {
    "Lasso": LassoRegressor(lambda1=100 / unit, tol=1e-6, **weak),
    "Trace": TraceNormRegressor(lambda1=100 / unit, tol=1e-5, **weak),
    "rMTFL": RobustFeatureRegressor(lambda1=90 / unit, lambda2=280 / unit, tol=1e-5, **weak),
    "Dirty": DirtyRegressor(lambda1=350 / unit, lambda2=10 / unit, tol=1e-4, **weak),
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
# Five folds of every training part. Single-task ridge and the mean-regularised model are not in the
# print: they say what simple models do.

# %%
plain = {"fit_intercept": False}
TUNED = {  # model, (number of lambda1, smallest over largest) or values, values of lambda2
    "Lasso": (LassoRegressor(tol=1e-4, **weak), (12, 1e-4), None),
    "Trace": (TraceNormRegressor(tol=1e-4, **plain), (20, 1e-4), None),
    "rMTFL": (RobustFeatureRegressor(tol=1e-3, **weak), np.geomspace(20, 0.3, 7), [3.0, 10.0]),
    "Dirty": (DirtyRegressor(tol=1e-3, **weak), np.geomspace(30, 4, 4), [0.1, 0.3, 1.0]),
    "L2,1": (JointFeatureRegressor(tol=1e-4, **weak), (20, 1e-5), None),
    "single-task ridge": (
        MeanRegularizedRegressor(lambda1=0.0, **plain),
        [0.0],
        np.geomspace(1e-3, 1, 13),
    ),
    "mean-regularised": (MeanRegularizedRegressor(**plain), (20, 1e-3), None),
}
tuned, searches = {}, {}
for name, (model, lambda1, lambda2) in TUNED.items():
    tuned[name] = []
    chosen = []
    for train, test in splits:
        part = {"X": X[train], "y": y[train], "tasks": tasks[train]}
        values = lambda1
        if isinstance(lambda1, tuple):
            values = lambda_grid(model, **part, n_lambdas=lambda1[0], eps=lambda1[1])
        search = MultiTaskSearchCV(
            model, lambda1=values, lambda2=lambda2, scoring="neg_mean_task_rmse"
        ).fit(**part)
        tuned[name].append(rmse(search, test))
        assert search.best_estimator_.relative_gap_ <= model.tol
        chosen.append(search.best_params_)
        searches.setdefault(name, search)
    low, high = (f(p["lambda1"] for p in chosen) for f in (min, max))
    print(f"{name:18s} lambda1 chosen {low:.3g} to {high:.3g}")

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
gain = np.array(tuned["single-task ridge"]) - np.array(tuned["mean-regularised"])
se = gain.std(ddof=1) / np.sqrt(len(gain))
print(f"gain of the mean-regularised model over single-task ridge: {gain.mean():.3f} ({se:.3f})")
if not stand_in:
    assert abs(np.mean(optimal["Lasso"]) - 10.869) < 0.005
    assert abs(np.mean(optimal["Trace"]) - 10.003) < 0.005
    assert abs(np.mean(tuned["mean-regularised"]) - 9.863) < 0.03
    assert abs(np.mean(tuned["single-task ridge"]) - 10.150) < 0.03
    assert gain.mean() > 3 * se
    for name in PRINTED:  # tuning helps every printed model, and none was at its optimum
        assert np.mean(tuned[name]) < np.mean(optimal[name]) < PRINTED[name][0][0]

# %%
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
names = list(TUNED)[::-1]
place = {name: i for i, name in enumerate(names)}
published = {name: values[0][0] for name, values in PRINTED.items()}
series = [
    ("published", {} if stand_in else published, "x"),
    ("optimum of the printed objective", optimal, "s"),
    ("tuned by cross-validation", tuned, "o"),
]
for label, values, marker in series:
    mean = [np.mean(values[name]) for name in values]
    bars = [np.std(v, ddof=1) / np.sqrt(len(splits)) if np.ndim(v) else 0 for v in values.values()]
    at = [place[name] for name in values]
    ax.errorbar(mean, at, xerr=bars, fmt=marker, ms=6, capsize=2, label=label)
ax.set_yticks(range(len(names)), names)
ax.grid(axis="x", alpha=0.3)
ax.set(xlabel="mean over schools of the test RMSE, ten splits (bars: 1 s.e.)")
ax.set_title("School" + stand_in)
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# The multi-task trees' printed 8.99 is not reached by any linear model here (the best is about
# 9.86), and we have not re-run it. The curve below is the search of the mean-regularised model on
# the first split: to its right all schools have one model, to its left each has its own.

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
CVCurveDisplay.from_estimator(searches["mean-regularised"], ax=ax)
ax.set_title("Mean-regularised model, split 1, five folds" + stand_in)
plt.show()
