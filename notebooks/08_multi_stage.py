# %% [markdown]
# # Multi-stage feature learning
#
# MALSAR manual, Fig. 21 (`example_msmtfl`; Gong, Ye and Zhang, NIPS 2012). 20 tasks of 30 samples
# and 200 features with columns of norm 1; 90 % of the features are used by no task, 80 % of the
# others' coefficients are zero, the rest is uniform on [-10, 10], the noise 0.001. Stage 1 is the
# Lasso; a later stage leaves free the features whose coefficients sum to `threshold` or more. The
# error is the manual's: the 2-norm of the features' summed absolute errors, mean of 10 repeats.
# The manual's seeds are not known: the same 10 of ours serve every curve.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from malsar_py import MultiStageRegressor

n_tasks, n_samples, n_features, n_seeds = 20, 30, 200, 10
tasks = np.repeat(np.arange(n_tasks), n_samples)
alphas = np.array([0.5, 1.0, 2.0, 5.0]) * 1e-4
alphas *= np.sqrt(np.log(n_features * n_tasks) / n_samples)
print("alpha:", alphas)
np.testing.assert_allclose(alphas, [2.629e-5, 5.258e-5, 1.0516e-4, 2.629e-4], rtol=2e-4)


def simulate(seed):
    rng = np.random.default_rng(seed)
    W = rng.uniform(-10, 10, (n_tasks, n_features))
    W[:, rng.permutation(n_features)[: n_features * 9 // 10]] = 0.0
    used = np.flatnonzero(W)
    W.flat[rng.permutation(used)[: used.size * 8 // 10]] = 0.0
    X = rng.standard_normal((n_tasks, n_samples, n_features))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    X = X.reshape(-1, n_features)
    y = (X * W[tasks]).sum(axis=1) + 0.001 * rng.standard_normal(len(X))
    return X, y, W


# %% [markdown]
# MALSAR minimises `sum of squares + rho sum_j min(||w^j||_1, theta)` with `rho = alpha m n` (m
# tasks, n samples) and `theta = 50 m rho`. Ours is half the mean of squares of a task, so
# `lambda1 = alpha m / 2`. MALSAR's stages take at most 100 steps, each stage from where the last
# one ended: `max_iter` and `warm_start` do the same here.


# %%
def errors(n_stages, max_iter, tol):
    error = np.empty((n_seeds, len(alphas), n_stages))
    optimality = np.empty((n_seeds, len(alphas)))
    for seed in range(n_seeds):
        X, y, W = simulate(seed)
        for i, alpha in enumerate(alphas):
            model = MultiStageRegressor(
                lambda1=alpha * n_tasks / 2,
                threshold=50 * n_tasks * alpha * n_tasks * n_samples,
                fit_intercept=False,
                solver="apg",
                max_stages=1,
                max_iter=max_iter,
                tol=tol,
                warm_start=True,
            )
            for stage in range(n_stages):
                with warnings.catch_warnings():  # the stage is cut off on purpose
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    model.fit(X, y, tasks=tasks)
                error[seed, i, stage] = np.linalg.norm(np.abs(model.coef_ - W).sum(axis=0))
            optimality[seed, i] = model.optimality_
    return error, optimality


cut, _ = errors(n_stages=10, max_iter=100, tol=1e-6)
full, optimality = errors(n_stages=6, max_iter=20_000, tol=1e-9)
print(f"largest relative stationarity after 6 full stages: {optimality.max():.1e}")
assert optimality.max() <= 1e-9

# %%
printed_stages = [  # the manual's; of the last two the stages that are printed
    [139.48, 89.87, 71.41, 57.34, 43.31, 32.15, 24.42, 17.84, 13.69, 11.78],
    [104.70, 62.77, 40.78, 26.19, 18.65, 15.26, 13.55, 11.73, 11.11, 11.02],
    [74.32, 36.63, 19.51, 14.60, 13.64, 13.59, np.nan, np.nan, np.nan, 13.55],
    [26.47, 13.17, 12.26, 12.21, np.nan, np.nan, np.nan, np.nan, np.nan, 12.21],
]
printed = np.array(printed_stages)
figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
panels = {
    "manual, Fig. 21": printed,
    "at most 100 steps a stage": cut.mean(axis=0),
    "every stage to its optimum": full.mean(axis=0),
}
for ax, (title, curves) in zip(axes, panels.items(), strict=True):
    for alpha, curve, style in zip(alphas, curves, ("o-", "s-", "^-", "d-"), strict=True):
        known = np.isfinite(curve)
        ax.plot(1 + np.flatnonzero(known), curve[known], style, label=f"alpha = {alpha:.2e}")
    ax.set(title=title, xlabel="stage", yscale="log")
axes[0].set_ylabel("error of the coefficients")
axes[0].legend()
plt.show()

print("end of the curves      ", *(f"{alpha:.1e}" for alpha in alphas), sep="  ")
print("manual                 ", *(f"{value:7.2f}" for value in printed[:, -1]), sep="  ")
ends = cut[:, :, -1]
spread = ends.std(axis=0, ddof=1) / np.sqrt(n_seeds)
print("100 steps a stage      ", *(f"{value:7.2f}" for value in ends.mean(axis=0)), sep="  ")
print("  standard error       ", *(f"{value:7.2f}" for value in spread), sep="  ")
print("full stages            ", *(f"{v:7.2f}" for v in full[:, :, -1].mean(axis=0)), sep="  ")
print("Lasso (full stage 1)   ", *(f"{v:7.2f}" for v in full[:, :, 0].mean(axis=0)), sep="  ")

curves = cut.mean(axis=0)
assert (np.diff(curves, axis=1) < 0).all()  # every curve falls
assert (np.diff(curves[:, 0]) < 0).all()  # and the smaller alpha starts higher
assert (np.abs(ends.mean(axis=0) - printed[:, -1]) <= 2 * np.sqrt(2) * spread).all()
# The largest theta is out of every feature's reach: the Lasso is all there is.
np.testing.assert_allclose(full[:, 3, -1], full[:, 3, 0], rtol=1e-4)
assert full[:, 0, -1].mean() < 0.7 * full[:, 0, 0].mean()

# %% [markdown]
# With stages of 100 steps the manual's curves come out: the order at the start, the fall, the level
# at the end. Most of that fall is the Lasso still on its way, for the steps add up over the stages:
# with every stage solved, the Lasso alone is where the curves end, and only the thresholds within
# the features' reach improve on it. Where they do, they improve more than the manual shows.
#
# The manual's text does not say that the columns of X have norm 1. Without it 100 steps a stage end
# nowhere near the printed level, with it they do.
