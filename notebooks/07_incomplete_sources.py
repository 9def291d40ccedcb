# %% [markdown]
# # Sources of features that some samples lack
#
# MALSAR manual, Fig. 20 (`example_iMSF`; Yuan et al., NeuroImage 2012). 50 samples have three
# sources of 45, 55 and 50 features, and lack whole ones: rows 40 to 50 the first, rows 1 to 10 the
# second, rows 25 to 40 the third. The pattern of sources that a row has is its task; the group of a
# feature is its coefficients over the patterns that have it.
#
# We draw normal features, and a target made of three features of each source, with noise: what the
# figure says, the patterns and their models, does not depend on it.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from malsar_py import IncompleteMultiSourceRegressor
from malsar_py.model_selection import lambda1_max
from malsar_py.plotting import CoefficientMapDisplay

sizes = {"X1": 45, "X2": 55, "X3": 50}
missing = {"X1": range(40, 51), "X2": range(1, 11), "X3": range(25, 41)}  # rows from 1, as printed
sources = np.repeat(list(sizes), list(sizes.values()))

rng = np.random.default_rng(0)
X = rng.standard_normal((50, 150))
informative = np.concatenate([np.flatnonzero(sources == name)[:3] for name in sizes])
y = X[:, informative].sum(axis=1) + 0.5 * rng.standard_normal(50)
for name, rows in missing.items():
    X[np.ix_(np.array(rows) - 1, sources == name)] = np.nan

for columns in (sources == name for name in sizes):  # z-scores over the rows that are there
    X[:, columns] -= np.nanmean(X[:, columns], axis=0)
    X[:, columns] /= np.nanstd(X[:, columns], axis=0, ddof=1)

figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.imshow(np.isnan(X), aspect="auto", cmap=ListedColormap(["#0072B2", "#dddddd"]), vmin=0, vmax=1)
for edge in np.cumsum(list(sizes.values()))[:-1]:
    ax.axvline(edge - 0.5, color="black", linewidth=1)
ax.set(xlabel="feature", ylabel="sample", title="What there is (blue) and what is missing (grey)")
plt.show()

# %% [markdown]
# ## The patterns
#
# The manual lists four models, of 95, 150, 100 and 105 features. By the script's own indices row 40
# lacks the first *and* the third source, which makes a fifth pattern of 55 features with one row.
# We fit both: the script's 50 rows, and the manual's four patterns, without row 40.


# %%
def fit(keep):
    # MALSAR: lambda = 0.1 of the smallest one that makes everything zero, every sample counts the
    # same, no intercept.
    model = IncompleteMultiSourceRegressor(sources=sources, fit_intercept=False, task_weight="size")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a pattern of one row
        model.set_params(lambda1=0.1 * lambda1_max(model, X[keep], y[keep]))
        return model.fit(X[keep], y[keep])


def describe(model, keep):
    present = ~np.isnan(X[keep])
    dimensions = {}
    for pattern, coef in zip(model.tasks_, model.coef_, strict=True):
        has = np.isin(sources, pattern)
        rows = (present == has).all(axis=1).sum()
        dimensions[pattern] = (int(has.sum()), int(rows))
        print(f"{' + '.join(pattern):14s} {has.sum():4d} features, {rows:3d} rows, ", end="")
        print(f"{np.count_nonzero(coef):3d} coefficients used")
        assert not coef[~has].any()  # what a pattern lacks has no coefficient
    print(f"relative gap {model.relative_gap_:.1e}")
    assert model.relative_gap_ <= model.tol
    return dimensions


everything = np.arange(50)
script = fit(everything)
print("The script's indices: five patterns")
counted = describe(script, everything)
assert counted == {
    ("X1", "X2"): (100, 15),
    ("X1", "X2", "X3"): (150, 14),
    ("X1", "X3"): (95, 10),
    ("X2",): (55, 1),
    ("X2", "X3"): (105, 10),
}

without_row_40 = np.delete(everything, 39)
manual = fit(without_row_40)
print("\nWithout row 40: the manual's four models")
counted = describe(manual, without_row_40)
assert sorted(features for features, _ in counted.values()) == [95, 100, 105, 150]

# %%
display = CoefficientMapDisplay(
    manual.coef_,
    tasks=[" + ".join(pattern) for pattern in manual.tasks_],
    feature_names=[f"{source}[{j}]" for j, source in enumerate(sources)],
)
figure, ax = plt.subplots(figsize=(6, 6), layout="constrained")
display.plot(max_features=40, ax=ax)
figure.suptitle("Fig. 20: features used, by pattern")
plt.show()

# %% [markdown]
# A feature is used by every pattern that has its source, or by none: that is what the group norm
# does. New samples are predicted by their pattern, and one whose pattern was never seen by the
# largest pattern that makes do with its sources.

# %%
used = manual.coef_ != 0
has = np.array([np.isin(sources, pattern) for pattern in manual.tasks_])
together = [used[has[:, j], j] for j in range(150)]
split = sum(0 < column.sum() < column.size for column in together)
print("features used:", int(used.any(axis=0).sum()), "- by a part of their patterns:", split)
assert used[:, informative].any()
assert split == 0

row = X[10:11].copy()  # has all three sources
alone = row.copy()
alone[:, sources == "X1"] = np.nan
print("predicted with all sources:", manual.predict(row), "without X1:", manual.predict(alone))
