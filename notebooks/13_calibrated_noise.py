# %% [markdown]
# # Calibrated to the noise of each task
#
# MALSAR `example_Calibration.m` (Gong, Zhou, Fan and Ye, KDD 2014). No data are needed: ten tasks
# of 100 rows and 200 correlated features, 5 % of which count, are simulated by the script's
# recipe (the coefficients that count are standard normal here). The noise falls from task to task,
# $\sigma_t = 2\sqrt2 \cdot 2^{-(t-1)/4}$, t = 1..10. The script draws no figure: it compares six
# solvers with CVX on one objective. Below,
#
# 1. the same comparison, with CVXPY as the other solver,
# 2. why one wants the square-root loss: its best $\lambda_1$ does not move with the noise,
# 3. what the fit says about the noise.

# %%
import cvxpy as cp
import matplotlib.pyplot as plt
import numpy as np

from malsar_py import CalibratedJointFeatureRegressor, JointFeatureRegressor
from malsar_py.model_selection import regularization_path

plt.style.use("seaborn-v0_8-colorblind")

N_TASKS, N_ROWS, N_FEATURES = 10, 100, 200
SIGMA = 2 * np.sqrt(2) * 2.0 ** (-np.arange(N_TASKS) / 4)
TASKS = np.repeat(np.arange(N_TASKS), N_ROWS)


def draw(seed, loudness=1.0):
    """X with correlations of 1/2, y, and the true coefficients (features x tasks)."""
    rng = np.random.default_rng(seed)
    X = np.sqrt(0.5) * (
        rng.normal(size=(N_TASKS * N_ROWS, N_FEATURES)) + rng.normal(size=(N_TASKS * N_ROWS, 1))
    )
    W = np.zeros((N_FEATURES, N_TASKS))
    rows = rng.choice(N_FEATURES, N_FEATURES // 20, replace=False)
    W[rows] = rng.normal(size=(len(rows), N_TASKS))
    noise = loudness * SIGMA[TASKS] * rng.normal(size=len(X))
    return X, (X * W.T[TASKS]).sum(axis=1) + noise, W


# %% [markdown]
# ## One objective, two solvers
#
# MALSAR minimises $\sum_t \|X_t w_t - y_t\|_2 + \lambda_1 \sum_j \|w^j\|_2 +
# \frac{\lambda_2}{2}\|W\|_F^2$. Here the norm of the residuals is divided by $\sqrt{n_t}$, so
# `task_weight` is $\sqrt{n_t}$ = 10. At the script's $\lambda_1 = \lambda_2 = 0.01$ all residuals
# vanish, as 100 rows are fitted by 200 features, and the square root has no derivative there; at
# $\lambda_1$ = 2.5 residuals remain. CVXPY's minimum must lie between `objective_ - dual_gap_` and
# `objective_`, up to its own accuracy, and both must agree to 1e-6.

# %%
X, y, W_true = draw(0)
for lambda1, tol in [(0.01, 1e-10), (2.5, 1e-8)]:
    model = CalibratedJointFeatureRegressor(
        lambda1=lambda1,
        lambda2=0.01,
        task_weight=dict.fromkeys(range(N_TASKS), np.sqrt(N_ROWS)),
        fit_intercept=False,
        tol=tol,
    ).fit(X, y, tasks=TASKS)
    V = cp.Variable((N_FEATURES, N_TASKS))
    rows = [slice(t * N_ROWS, (t + 1) * N_ROWS) for t in range(N_TASKS)]
    residuals = [X[own] @ V[:, t] - y[own] for t, own in enumerate(rows)]
    problem = cp.Problem(
        cp.Minimize(
            sum(cp.norm(r) for r in residuals)
            + lambda1 * cp.sum(cp.norm(V, 2, axis=1))
            + 0.005 * cp.sum_squares(V)
        )
    )
    problem.solve(solver="CLARABEL")
    best, gap = model.objective_[-1], model.dual_gap_
    print(
        f"lambda1 {lambda1}: objective {best:.7f}, dual gap {gap:.1e} "
        f"(relative {model.relative_gap_:.1e}), CVXPY {problem.value:.7f}"
    )
    assert model.relative_gap_ <= tol
    assert best - gap - 1e-6 <= problem.value <= best + 1e-6
    assert abs(best / problem.value - 1.0) <= 1e-6

# %% [markdown]
# ## The best strength does not depend on the noise
#
# All noise levels of the same data are multiplied by 1/2, 1, 2 and 4, and both models are fitted
# along a path of $\lambda_1$, every fit certified: means over ten draws, with bands of one standard
# error. The minimum of the squared loss moves about in proportion to the noise; that of the
# square-root loss hardly moves. The minimum of each curve is marked; both grids reach beyond it on
# both sides.

# %%
SEEDS, LOUDNESS = range(10), np.array([0.5, 1.0, 2.0, 4.0])
STEP = 2.0 ** (1 / 3)
MODELS = {
    CalibratedJointFeatureRegressor: 0.2 * STEP ** np.arange(11),
    JointFeatureRegressor: 0.12 * STEP ** np.arange(14),
}
errors = {kind: np.empty((len(SEEDS), len(LOUDNESS), len(grid))) for kind, grid in MODELS.items()}
worst_gap = 0.0
for seed in SEEDS:
    for k, loudness in enumerate(LOUDNESS):
        X, y, W_true = draw(seed, loudness)
        for kind, grid in MODELS.items():
            model = kind(fit_intercept=False, tol=1e-4)
            path = regularization_path(model, X, y, tasks=TASKS, lambda1=grid)
            misses = path.coef[::-1].transpose(0, 2, 1) - W_true  # paths go from large to small
            errors[kind][seed, k] = np.linalg.norm(misses, axis=(1, 2))
            worst_gap = max(worst_gap, path.relative_gap.max())
print(f"largest relative gap of all fits: {worst_gap:.1e}")
assert worst_gap <= 1e-4

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharex=True, sharey=True, layout="constrained")
best_at = {}
for ax, (kind, grid) in zip(axes, MODELS.items(), strict=True):
    mean = errors[kind].mean(axis=0)
    error = errors[kind].std(axis=0, ddof=1) / np.sqrt(len(SEEDS))
    best_at[kind] = grid[mean.argmin(axis=1)]
    for k, loudness in enumerate(LOUDNESS):
        (line,) = ax.plot(grid, mean[k], label=f"noise x {loudness:g}")
        ax.fill_between(grid, mean[k] - error[k], mean[k] + error[k], alpha=0.2, lw=0)
        ax.plot(best_at[kind][k], mean[k].min(), "o", color=line.get_color())
    ax.set(xscale="log", xlabel="$\\lambda_1$", title=kind.__name__)
    ax.set_xticks([0.2, 0.5, 1.0, 2.0], ["0.2", "0.5", "1", "2"])
    ax.minorticks_off()
axes[0].set_ylabel("error of the coefficients, $\\|\\hat W - W\\|_F$")
axes[1].legend(fontsize=8)
plt.show()
for kind, values in best_at.items():
    print(f"{kind.__name__:32s} best lambda1 at each noise:", values.round(3))
square_root, squared = (best_at[kind] for kind in MODELS)
assert square_root.max() / square_root.min() <= STEP**2 * 1.001
assert squared[-1] / squared[0] >= 4.0

# %% [markdown]
# ## What it is worth
#
# Tune once, at noise x 1, and keep $\lambda_1$ when the noise changes. The table has the error of
# the coefficients, mean and standard error over the draws, at that $\lambda_1$ and at the best one
# for each noise (which nobody knows outside a simulation).

# %%
print("noise    calibrated: kept        best        squared loss: kept        best")
kept_loss = {}
for k, loudness in enumerate(LOUDNESS):
    cells = []
    for kind, grid in MODELS.items():
        kept = errors[kind][:, k, np.flatnonzero(grid == best_at[kind][1])[0]]
        best = errors[kind][:, k, np.flatnonzero(grid == best_at[kind][k])[0]]
        kept_loss[kind, k] = kept.mean() / best.mean() - 1.0
        for values in (kept, best):
            se = values.std(ddof=1) / np.sqrt(len(SEEDS))
            cells.append(f"{values.mean():.2f} ({se:.2f})")
    print(f"x {loudness:<4g}   " + "    ".join(f"{cell:>14s}" for cell in cells))
calibrated = max(kept_loss[CalibratedJointFeatureRegressor, k] for k in range(len(LOUDNESS)))
plain = max(kept_loss[JointFeatureRegressor, k] for k in range(len(LOUDNESS)))
print(f"keeping lambda1 costs at most {calibrated:.0%} (calibrated), {plain:.0%} (squared loss)")
assert calibrated < 0.15 < plain

# %%
kind, other = MODELS
difference = errors[other].min(axis=2) - errors[kind].min(axis=2)
for k, loudness in enumerate(LOUDNESS):
    d = difference[:, k]
    se = d.std(ddof=1) / np.sqrt(len(SEEDS))
    print(
        f"noise x {loudness:g}: best error of the squared loss minus calibrated: "
        f"{d.mean():+.2f} ({se:.2f})"
    )
assert (difference[:, :2].mean(axis=0) > 0).all()

# %% [markdown]
# ## The noise of each task
#
# `noise_levels_` are the root mean squares of the residuals. With as few rows they
# are below the true levels, but they order the tasks as they should.

# %%
levels = []
for seed in SEEDS:
    X, y, _ = draw(seed)
    model = CalibratedJointFeatureRegressor(lambda1=square_root[1], fit_intercept=False)
    levels.append(model.fit(X, y, tasks=TASKS).noise_levels_)
    assert model.relative_gap_ <= model.tol
levels = np.array(levels)
figure, ax = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
ax.errorbar(
    SIGMA, levels.mean(axis=0), levels.std(axis=0, ddof=1) / np.sqrt(len(SEEDS)), fmt="o", ms=4
)
ax.axline((1, 1), slope=1, color="grey", lw=1)
ax.set(xlabel="$\\sigma_t$ of the simulation", ylabel="noise_levels_, mean and s.e. of 10 draws")
ax.set_title("noise x 1, $\\lambda_1$ = " + f"{square_root[1]:.2f}")
plt.show()
correlation = np.corrcoef(SIGMA, levels.mean(axis=0))[0, 1]
print(f"correlation with the true noise levels: {correlation:.3f}")
assert correlation > 0.95
