# %% [markdown]
# # Clustering the samples of two tasks in one subspace
#
# MALSAR manual, Fig. 22 (`example_LSSMTC`; Gu and Zhou, ICDM 2009). Two tasks tell computer from
# science postings of 20 Newsgroups, in different subgroups; no label is used. Two clusters, a
# subspace of two dimensions, `share` 0.75, at most 20 sweeps. The picture shows the accuracy, under
# the best matching of clusters and classes, and the normalised mutual information (NMI).
#
# Data: `fetch_newsgroups_pairs` (downloaded, or from the folder `MALSAR_PY_DATA`). Without it the
# notebook runs on simulated postings, and every title says so. Of the 2,000 words the 1,000 that
# occur in most postings are used, which is four times as fast: from the same starts the accuracies
# after 20 sweeps differ by less than two points.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import normalized_mutual_info_score

from malsar_py import SharedSubspaceClustering
from malsar_py.datasets import fetch_newsgroups_pairs

try:
    data = fetch_newsgroups_pairs("comp.vs.sci")
    X, y, tasks, stand_in = data.data, data.target, data.tasks, ""
    X = X[:, np.argsort(-(X > 0).sum(axis=0), kind="stable")[:1000]]
except OSError as error:
    print(error)
    stand_in = " (SIMULATED postings)"
    rng = np.random.default_rng(0)
    y, tasks = rng.integers(1, 3, 600), np.repeat([1, 2], 300)
    topic = np.zeros((2, 60))
    topic[0, :30] = topic[1, 30:] = 1.0
    X = rng.poisson(0.5 * rng.uniform(0.2, 1.0, (2, 60))[tasks - 1] * (topic[y - 1] + 0.2))
    X = X.astype(float)
print(X.shape[0], "postings,", X.shape[1], "words; of task 1:", f"{(tasks == 1).sum()}{stand_in}")

# %%
sweeps, starts = [1, 3, 6, 10, 20], [0, 1, 2]


def measure(n_sweeps, start, share=0.75):
    """Accuracy and NMI of both tasks, and the fitted model."""
    model = SharedSubspaceClustering(
        n_clusters=2,
        n_components=2,
        share=share,
        n_init=1,
        max_iter=n_sweeps,
        random_state=start,
    )
    with warnings.catch_warnings():  # the manual's 20 sweeps are not the end
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, tasks=tasks)
    rows = []
    for task in (1, 2):
        own, found = y[tasks == task], model.labels_[tasks == task]
        right = np.mean((found == 0) == (own == 1))
        rows.append([max(right, 1 - right), normalized_mutual_info_score(own, found)])
    return np.array(rows), model


values = np.empty((len(starts), len(sweeps), 2, 2))  # start, sweeps, task, measure
for i, start in enumerate(starts):
    for j, n_sweeps in enumerate(sweeps):
        values[i, j], model = measure(n_sweeps, start)
    rises = np.diff(model.objective_).max()
    print(f"start {start}: objective {model.objective_[0]:.0f} -> {model.objective_[-1]:.0f}")
    assert rises <= 1e-9 * model.objective_[0]  # a sweep never raises it
alone = np.mean([measure(20, start, share=1.0)[0] for start in starts], axis=0)

# %%
printed = {  # the manual's start and end
    "accuracy": [(0.517, 0.8688), (0.503, 0.815)],
    "NMI": [(0.001, 0.513), (0.0, 0.33)],
}
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for m, (ax, (name, ends)) in enumerate(zip(axes, printed.items(), strict=True)):
    for task, colour in enumerate(("#0072B2", "#D55E00")):
        for i in range(len(starts)):
            label = f"task {task + 1}, three starts" if i == 0 else None
            ax.plot(sweeps, values[i, :, task, m], "o-", color=colour, alpha=0.6, label=label)
        if not stand_in:
            ax.plot([1, 20], ends[task], "x", color=colour, ms=9, label="  manual, Fig. 22")
        ax.axhline(alone[task, m], color=colour, linestyle=":", label="  each task by itself")
    ax.set(xlabel="sweeps", ylabel=name, xticks=sweeps, title=f"{name}{stand_in}")
axes[0].legend(fontsize=8)
plt.show()

end = values[:, -1]
for m, name in enumerate(printed):
    for task in (0, 1):
        published = "" if stand_in else f"manual {printed[name][task][1]}, "
        print(
            f"{name} of task {task + 1}{stand_in}: {np.round(end[:, task, m], 3)}, {published}"
            f"by itself {alone[task, m]:.3f}"
        )
if not stand_in:
    assert (np.abs(end[:, 0, 0] - 0.8688) < 0.03).all()
    assert (np.abs(end[:, 0, 1] - 0.513) < 0.05).all()
    assert (end[:, 1, 0] > 0.6).all()
else:
    assert (end[..., 0] > 0.8).all()

# %% [markdown]
# The first task ends where the manual's does. The second ends lower and depends on the start: the
# problem is not convex, and the manual shows one random start of another iteration (its subspace
# comes from a multiplicative update that is nonnegative and not orthonormal, ours from an
# eigenvalue problem). So only the shape of the curves and the level of task 1 can be compared. The
# dotted lines are the same 20 sweeps with `share=1`, each task by itself: on these data the
# subspace changes little.
