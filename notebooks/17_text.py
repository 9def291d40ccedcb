# %% [markdown]
# # Text: words that two tasks share
#
# Two tasks tell postings of 20 Newsgroups about recreation from such about talk (politics,
# religion), in different subgroups: task 1 and task 2 have other authors and other subjects. Are
# the words that matter the same? X is sparse and stays so: fit, search and prediction take it as it
# is, and every fit is certified.
#
# 1. one sparse matrix, tf-idf; 15 % of the postings are to learn from: fewer than words,
# 2. the words along $\lambda_1$: the L2,1 norm takes each for both tasks or for none,
# 3. accuracy and words used: words chosen together, and for each task by itself,
# 4. how alike the words' coefficients are.
#
# Data: `fetch_newsgroups_pairs` (downloaded, or from the folder `MALSAR_PY_DATA`): counts of 2,000
# words, which the file does not name. Without it the notebook runs on simulated postings, and says
# so in every title.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from malsar_py import JointFeatureClassifier, LassoClassifier
from malsar_py.datasets import fetch_newsgroups_pairs
from malsar_py.model_selection import MultiTaskSearchCV, TaskShuffleSplit, regularization_path
from malsar_py.plotting import PathDisplay

plt.style.use("seaborn-v0_8-colorblind")

try:
    data = fetch_newsgroups_pairs("rec.vs.talk")
    counts, tasks, stand_in = sparse.csr_array(data.data), data.tasks, ""
    y = np.where(data.target == 1, "rec", "talk")
except OSError as error:
    print(error)
    stand_in = " (SIMULATED postings)"
    rng = np.random.default_rng(0)
    y, tasks = rng.choice(["rec", "talk"], 1600), np.repeat([1, 2], 800)
    rate = np.full((2, 400), 0.05)
    rate[0, :40] = rate[1, 40:80] = 0.15
    counts = sparse.csr_array(rng.poisson(rate[(y == "talk").astype(int)]).astype(float))
X = sparse.csr_array(TfidfTransformer(sublinear_tf=True).fit_transform(counts))
density = X.nnz / np.prod(X.shape)
print(f"{X.shape[0]} postings, {X.shape[1]} words, of which {density:.1%} are not 0{stand_in}")

split = TaskShuffleSplit(n_splits=1, test_size=0.85, random_state=0)
train, test = next(split.split(X, y, tasks=tasks))
print(f"to learn from: {len(train)} postings")

# %% [markdown]
# ## The words along $\lambda_1$

# %%
joint = JointFeatureClassifier(lambda2=1e-4)
path = regularization_path(joint, X[train], y[train], tasks=tasks[train], n_lambdas=20, eps=0.02)
assert (path.relative_gap <= 1e-6).all()
in_both = np.logical_and.reduce([X[train][tasks[train] == t].sum(axis=0) > 0 for t in (1, 2)])
used = path.coef[:, :, in_both] != 0
assert (used[:, 0] == used[:, 1]).all()  # each for both tasks, or for none
print(f"words that occur in both tasks: {in_both.sum()}")
print("words:", path.df.tolist())

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
PathDisplay.from_path(path, ax=ax)
ax.set_title(f"Words of both tasks{stand_in}")

# %% [markdown]
# ## Together, and each task by itself

# %%
models = {
    "L2,1: words chosen together": JointFeatureClassifier(),
    "Lasso: each task its own words": LassoClassifier(),
}
found = {}
for name, model in models.items():
    search = MultiTaskSearchCV(model, n_lambdas=15, cv=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the best value may be at an end
        search.fit(X[train], y[train], tasks=tasks[train])
    best = search.best_estimator_
    assert best.relative_gap_ <= 1e-6
    score = search.score(X[test], y[test], tasks=tasks[test])
    words = [int((w != 0).sum()) for w in best.coef_]
    both = int((best.coef_ != 0).all(axis=0).sum())
    found[name] = best, score
    print(f"{name}: accuracy {score:.3f}, words {words}, of both {both}")
larger = [max(np.mean(y[test][tasks[test] == t] == c) for c in ("rec", "talk")) for t in (1, 2)]
majority = np.mean(larger)
print(f"the larger class: {majority:.3f}")
assert all(score > majority + 0.1 for _, score in found.values())

# %% [markdown]
# ## Are they alike?
#
# A positive coefficient speaks for "talk". Words in the upper left or lower right corner speak for
# one class in one task and for the other in the other.

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", sharex=True, sharey=True)
for ax, (name, (model, score)) in zip(axes, found.items(), strict=True):
    first, second = model.coef_
    some = (first != 0) | (second != 0)
    ax.axhline(0.0, color="0.8", lw=1)
    ax.axvline(0.0, color="0.8", lw=1)
    ax.scatter(first[some], second[some], s=14, alpha=0.6)
    ax.set(title=f"{name}\naccuracy {score:.3f}{stand_in}", xlabel="coefficient in task 1")
    both = (first != 0) & (second != 0)
    alike = np.mean(first[both] * second[both] > 0)
    print(f"{name}: same sign for {alike:.0%} of the {both.sum()} words of both tasks")
axes[0].set_ylabel("coefficient in task 2")
