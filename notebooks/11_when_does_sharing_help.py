# %% [markdown]
# # When does sharing help?
#
# The gain of a multi-task model over one model per task, as the training rows of a task grow, on
# five data sets: Exam (65 schools), School (139 schools), Computer survey (190 persons who rate 20
# computers each), Parkinsons (42 patients) and Landmine (29 minefields, two classes). Four models:
#
# * *single-task*: one ridge (logistic) regression per task, the same strength for all;
# * *pooled*: one for all rows, blind to tasks;
# * *mean-regularised*: the tasks' models are drawn to their mean, each with its own intercept;
# * a *trace norm* (for Landmine `TaskRelationship`, the squared trace norm).
#
# All strengths are chosen by cross-validation on the training rows. Ten draws of the training rows,
# all other rows are tested; the error is that of a task, averaged over the tasks. Bands and numbers
# in parentheses are standard errors over the draws, of paired differences for gains.
#
# The last part looks at single tasks: on average most gain, but not each of them
# (*negative transfer*).
#
# Data: Exam is shipped; the others by `fetch_*` (downloaded, or from the folder `MALSAR_PY_DATA`).
# One that cannot be had is replaced by simulated tasks, and every title says so.

# %%
import matplotlib.pyplot as plt
import numpy as np

from malsar_py import (
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    TaskRelationshipClassifier,
    TraceNormRegressor,
)
from malsar_py.datasets import (
    fetch_computer_survey,
    fetch_landmine,
    fetch_parkinsons,
    fetch_school,
    load_exam,
    make_low_rank,
)
from malsar_py.metrics import task_scores
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold

SEEDS = range(10)
# A whole number is that of a task's training rows, a fraction its share of the task's rows.
SETS = {
    "Exam": (load_exam, [0.1, 0.3, 0.75]),
    "School": (fetch_school, [0.1, 0.3, 0.75]),
    "Computer survey": (fetch_computer_survey, [5, 10, 15]),
    "Parkinsons": (fetch_parkinsons, [5, 20, 75]),
    "Landmine": (fetch_landmine, [40, 80, 120, 160]),
}
data, title = {}, {}
for name, (load, _) in SETS.items():
    title[name] = name
    try:
        data[name] = load()
        X, y, tasks = (data[name][key] for key in ("data", "target", "tasks"))
    except OSError as error:
        print(error)
        title[name] = f"SIMULATED, not {name}"
        X, y, tasks = make_low_rank(
            n_tasks=30, n_samples=200, n_features=9, noise=3.0,
            classification=name == "Landmine", random_state=0,
        )  # fmt: skip
    data[name] = X, y, tasks
    rows = np.unique(tasks, return_counts=True)[1]
    print(f"{title[name]:16s} {len(rows):3d} tasks of {rows.min()} to {rows.max()} rows")


# %% [markdown]
# ## The draws
#
# Landmine's are stratified: every field trains on at least one mine and one piece of clutter, in
# about the field's own proportion. Features are standardised by the training rows.


# %%
def draw(name, size, seed):
    """Training rows: `size` of each task at random; classes in proportion, at least one of each."""
    _, y, tasks = data[name]
    rng = np.random.default_rng(seed)
    chosen = []
    for task in np.unique(tasks):
        own = rng.permutation(np.flatnonzero(tasks == task))
        n = size if isinstance(size, int) else max(round(size * len(own)), 1)
        n = min(n, len(own) - 1)
        if name == "Landmine":
            mines, clutter = own[y[own] == 1], own[y[own] == 0]
            k = max(round(n * len(mines) / len(own)), 1)
            own = np.concatenate([mines[:k], clutter[: n - k]])
        chosen.append(own[:n])
    return np.concatenate(chosen)


RIDGE, COUPLING = np.geomspace(1e-3, 1.0, 6), np.geomspace(0.03, 30.0, 6)
REGRESSORS = {  # model, lambda1, lambda2, whether it knows the tasks
    "single-task": (MeanRegularizedRegressor(lambda1=0.0), [0.0], RIDGE, True),
    "pooled": (MeanRegularizedRegressor(lambda1=0.0), [0.0], RIDGE, False),
    "mean-regularised": (MeanRegularizedRegressor(), COUPLING, [0.01, 0.1], True),
    "trace norm": (TraceNormRegressor(tol=1e-4), 8, None, True),
}
CLASSIFIERS = {
    "single-task": (MeanRegularizedClassifier(lambda1=0.0, tol=1e-5), [0.0], RIDGE, True),
    "pooled": (MeanRegularizedClassifier(lambda1=0.0, tol=1e-5), [0.0], RIDGE, False),
    "mean-regularised": (
        MeanRegularizedClassifier(tol=1e-5),
        np.geomspace(0.03, 3.0, 7),
        [0.01, 0.1],
        True,
    ),
    "task relationship": (
        TaskRelationshipClassifier(lambda2=0.01, tol=1e-4),
        np.geomspace(0.003, 0.3, 7),
        None,
        True,
    ),
}


def errors_of(name, size, seed):
    """Error of each task on its test rows, by model: RMSE, or 1 - AUC."""
    X, y, tasks = data[name]
    train = draw(name, size, seed)
    test = np.setdiff1d(np.arange(len(y)), train)
    center, scale = X[train].mean(axis=0), X[train].std(axis=0)
    Z = (X - center) / np.where(scale > 0.0, scale, 1.0)
    classes = name == "Landmine"
    found = {}
    for label, (model, lambda1, lambda2, knows) in (CLASSIFIERS if classes else REGRESSORS).items():
        grid = {"n_lambdas": lambda1} if isinstance(lambda1, int) else {"lambda1": lambda1}
        search = MultiTaskSearchCV(
            model,
            lambda2=lambda2,
            cv=TaskKFold(5 if classes else 3, shuffle=True, random_state=0),
            scoring="neg_mean_task_log_loss" if classes else "neg_mean_task_mse",
            **grid,
        ).fit(Z[train], y[train], tasks=tasks[train] if knows else None)
        assert search.best_estimator_.relative_gap_ <= model.tol
        own = {"tasks": tasks[test]} if knows else {}
        predict = search.decision_function if classes else search.predict
        scores = task_scores(
            y[test], predict(Z[test], **own), tasks[test], metric="auc" if classes else "rmse"
        )
        found[label] = scores
    return found


# %%
results = {}  # per data set: (size, model) -> draws x tasks
for name, (_, sizes) in SETS.items():
    for size in sizes:
        found = [errors_of(name, size, seed) for seed in SEEDS]
        for label in found[0]:
            results[name, size, label] = np.array([draws[label] for draws in found])


def summary(values):
    """Mean over the tasks that are defined, then mean and standard error over the draws."""
    means = np.nanmean(values, axis=1)
    return means.mean(), means.std(ddof=1) / np.sqrt(len(means))


def labels_of(name):
    return list(CLASSIFIERS if name == "Landmine" else REGRESSORS)


for name, (_, sizes) in SETS.items():
    measure = "AUC" if name == "Landmine" else "RMSE"
    print(f"\n{title[name]}: mean {measure} of a task on its test rows")
    print(f"{'rows':>8s}" + "".join(f"{label:>19s}" for label in labels_of(name)))
    for size in sizes:
        cells = [
            "{:.4f} ({:.4f})".format(*summary(results[name, size, m])) for m in labels_of(name)
        ]
        shown = str(size) if isinstance(size, int) else f"{size:.0%}"
        print(f"{shown:>8s}" + "".join(f"{cell:>19s}" for cell in cells))

# %% [markdown]
# ## Error against the number of rows

# %%
figure, axes = plt.subplots(2, 3, figsize=(10, 6.2), layout="constrained")
STYLES = dict(zip(["single-task", "pooled", "mean-regularised"], ["C7", "C1", "C0"], strict=True))
for ax, (name, (_, sizes)) in zip(axes.flat, SETS.items(), strict=False):
    left_out = ["pooled"] if title[name] == "Parkinsons" else []  # seven times as large
    for label in labels_of(name):
        if label in left_out:
            continue
        mean, se = np.transpose([summary(results[name, size, label]) for size in sizes])
        (line,) = ax.plot(sizes, mean, "o-", ms=4, color=STYLES.get(label, "C2"), label=label)
        ax.fill_between(sizes, mean - se, mean + se, color=line.get_color(), alpha=0.25, lw=0)
    share = isinstance(sizes[0], float)
    ax.set(title=title[name], xlabel="share of a task's rows" if share else "rows of a task")
    ax.set_ylabel("mean AUC" if name == "Landmine" else "mean RMSE")
    if left_out:
        least = min(summary(results[name, size, "pooled"])[0] for size in sizes)
        ax.text(
            0.97,
            0.93,
            f"pooled: above {np.floor(10 * least) / 10:.1f}",
            ha="right",
            transform=ax.transAxes,
        )
    if name in ("Exam", "Landmine"):
        ax.legend(fontsize=7)
axes.flat[-1].set_visible(False)
plt.show()

# %% [markdown]
# ## The gain over single tasks, with its standard error
#
# Paired over the draws: error of the single-task model minus that of the multi-task model (AUC the
# other way round), so that positive is better. In the last columns, the share of tasks that lose,
# and of those that lose by more than twice their own standard error over the draws.


# %%
def gain(name, size, label, over="single-task"):
    """Gain of each task in each draw, draws x tasks."""
    sign = 1.0 if name == "Landmine" else -1.0
    return sign * (results[name, size, label] - results[name, size, over])


print(f"{'':16s}{'rows':>6s}  {'model':18s}{'over single-task':>18s}{'over pooled':>18s}"
      f"{'lose':>7s}{'clearly':>9s}")  # fmt: skip
for name, (_, sizes) in SETS.items():
    for size in sizes:
        for label in labels_of(name)[2:]:
            each = gain(name, size, label)
            mean = np.nanmean(each, axis=0)
            se = np.nanstd(each, axis=0, ddof=1) / np.sqrt(len(each))
            lose, clearly = np.mean(mean < 0), np.mean(mean < -2 * se)
            cells = ["{:+.4f} ({:.4f})".format(*summary(each))]
            cells.append("{:+.4f} ({:.4f})".format(*summary(gain(name, size, label, "pooled"))))
            shown = str(size) if isinstance(size, int) else f"{size:.0%}"
            print(f"{title[name]:16s}{shown:>6s}  {label:18s}{cells[0]:>18s}{cells[1]:>18s}"
                  f"{lose:7.0%}{clearly:9.0%}")  # fmt: skip


# %%
def surely_gains(name, size, over="single-task", label="mean-regularised"):
    """Whether the mean gain is more than two standard errors above 0."""
    mean, se = summary(gain(name, size, label, over))
    return mean > 2.0 * se


if title["Landmine"] == "Landmine":
    for size in SETS["Landmine"][1]:  # above both, by the mean of ten draws
        for over in ("single-task", "pooled"):
            mean, se = summary(gain("Landmine", size, "mean-regularised", over))
            print(f"Landmine, {size} rows, over {over}: {mean:+.4f} ({se:.4f})")
            assert mean > 2.0 * se
for name in ("Exam", "School", "Computer survey"):
    if title[name] == name:
        assert all(surely_gains(name, size) for size in SETS[name][1])

# %% [markdown]
# What the tables say:
#
# * **Few rows: share.** The gain over single tasks is largest at the smallest size, and shrinks as
#   rows are added, on all sets but Parkinsons for the mean-regularised model.
# * **Very few rows: pool.** With a tenth of the rows (a school has from one to about 25), one model
#   for all pupils of Exam or School is best of all: even an intercept per school costs more than it
#   gives. From 30 % on the mean-regularised model is better than both extremes.
# * **The kind of sharing matters.** Patients of Parkinsons differ in the course of the disease:
#   pooling them fails, and there is little to gain from a common mean; the trace norm, which asks
#   for a subspace of few dimensions only, gains at 5 and 20 rows. On Landmine with 40 rows (one to
#   four mines a field) the task relationship cannot be learned: trying costs more than it gives.

# %% [markdown]
# ## Task by task
#
# Gain of the mean-regularised model over the single-task model for every task, sorted, at the
# smallest and the largest size: mean over the draws, bars of one standard error. Red: tasks that
# lose.

# %%
figure, axes = plt.subplots(2, len(SETS), figsize=(12, 5.2), layout="constrained")
for column, (name, (_, sizes)) in zip(axes.T, SETS.items(), strict=True):
    for ax, size in zip(column, (sizes[0], sizes[-1]), strict=True):
        each = gain(name, size, "mean-regularised")
        each = each[:, ~np.isnan(each).any(axis=0)]
        mean, se = each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(len(each))
        order = np.argsort(-mean)
        colours = np.where(mean[order] < 0.0, "C3", "C0")
        at = np.arange(len(order))
        ax.vlines(at, mean[order] - se[order], mean[order] + se[order], color=colours, lw=0.8)
        ax.scatter(at, mean[order], s=5, c=colours)
        ax.axhline(0.0, color="k", lw=0.8)
        shown = f"{size} rows" if isinstance(size, int) else f"{size:.0%} of the rows"
        ax.set_title(f"{title[name]}, {shown}", fontsize=9)
        ax.set_xlabel("task, sorted by gain", fontsize=8)
for ax in axes[:, 0]:
    ax.set_ylabel("gain over single-task\n(RMSE; AUC for Landmine)", fontsize=8)
plt.show()
