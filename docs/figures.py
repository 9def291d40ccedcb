"""Draw the pictures of the README and the site: ``python docs/figures.py``.

``images/speed.png`` is of the benchmarks' results and carries their digest, so that a test sees
when it is out of date; ``images/pooling.png`` is of the Exam data.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

from measured import shown

IMAGES = HERE / "images"
DIGEST = "measurements"
BLUE, GREY, ORANGE, BLACK = "#0b6e99", "#8a8f98", "#d1495b", "#222222"


def digest() -> str:
    """Of the measurements that the speed figure shows."""
    return hashlib.sha256(repr(sorted(shown().items())).encode()).hexdigest()


def draw_speed(path: Path) -> None:
    """Bars of the ratios, smallest to largest over the seeds as lines."""
    found = sorted(shown().items(), key=lambda item: item[1][0])
    names = [name for name, _ in found]
    median, low, high = np.array([values for _, values in found]).T
    figure, axes = plt.subplots(figsize=(7.5, 0.32 * len(names) + 0.9), layout="constrained")
    position = np.arange(len(names))
    axes.barh(position, median, color=BLUE, height=0.62)
    axes.hlines(position, low, high, color=BLACK, linewidth=1.2)
    for y, value, top in zip(position, median, high, strict=True):
        axes.text(1.06 * top, y, f"{value:.1f}x", va="center", fontsize=9, color=BLACK)
    axes.axvline(1.0, color=ORANGE, linewidth=1.2)
    axes.set_yticks(position, names)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xscale("log")
    axes.set_xlim(0.8 * min(low.min(), 1.0), 1.6 * high.max())
    ticks = [t for t in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if t < 1.6 * high.max()]
    axes.set_xticks([t for t in ticks if t > 0.8 * min(low.min(), 1.0)])
    axes.xaxis.set_major_formatter(lambda t, _: f"{t:g}x")
    axes.minorticks_off()
    axes.set_xlabel("CPU time of the fastest other package over ours, same certified accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, metadata={DIGEST: digest(), "Software": None})
    plt.close(figure)


def pooling_errors(n_repeats: int = 10) -> tuple[list[int], dict[str, np.ndarray]]:
    """RMSE on new pupils of known schools, by the number of pupils per school to learn from."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    from malsar_py import LassoRegressor, MixedEffectsRegressor
    from malsar_py.datasets import load_exam

    exam = load_exam()
    X = StandardScaler().fit_transform(exam.data)
    y, tasks = exam.target, exam.tasks
    big = [t for t in np.unique(tasks) if (tasks == t).sum() >= 60]
    sizes = [2, 3, 5, 8, 12, 20, 30, 45]
    methods = {
        "one model for all": lambda: Ridge(alpha=1.0),
        "one model per school": lambda: LassoRegressor(lambda1=0.0, lambda2=0.1),
        "partial pooling (MixedEffects)": MixedEffectsRegressor,
    }
    errors = {name: np.zeros((n_repeats, len(sizes))) for name in methods}
    for repeat in range(n_repeats):
        rng = np.random.default_rng(repeat)
        order = {t: rng.permutation(np.flatnonzero(tasks == t)) for t in big}
        test = np.concatenate([order[t][45:] for t in big])
        for j, size in enumerate(sizes):
            train = np.concatenate([order[t][:size] for t in big])
            for name, make in methods.items():
                if name == "one model for all":
                    prediction = make().fit(X[train], y[train]).predict(X[test])
                else:
                    model = make().fit(X[train], y[train], tasks=tasks[train])
                    prediction = model.predict(X[test], tasks=tasks[test])
                errors[name][repeat, j] = np.sqrt(np.mean((y[test] - prediction) ** 2))
    return sizes, errors


def draw_pooling(path: Path) -> None:
    """Error curves: means over the repeats, two standard errors as bands."""
    sizes, errors = pooling_errors()
    figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    for (name, values), color in zip(errors.items(), (GREY, ORANGE, BLUE), strict=True):
        mean = values.mean(axis=0)
        error = 2.0 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
        width = 2.6 if color == BLUE else 1.6
        axes.plot(sizes, mean, color=color, linewidth=width, marker="o", markersize=4, label=name)
        axes.fill_between(sizes, mean - error, mean + error, color=color, alpha=0.18, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("pupils per school to learn from")
    axes.set_ylabel("RMSE on other pupils")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    draw_speed(IMAGES / "speed.png")
    draw_pooling(IMAGES / "pooling.png")
