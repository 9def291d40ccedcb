# %% [markdown]
# # Any size: one pass over a folder of Parquet files
#
# Under the squared loss a task's rows can be replaced by d + 2 weighted ones, whatever their
# number. `summarize` keeps what these are made from, so that data which fit in no memory need one
# pass: for a fit, a path, and a whole cross-validated search. Other losses take about ten passes
# (`fit_batches`). Below,
#
# 1. a folder of files is written to a temporary place: sales of 100 shops, 10 features,
# 2. one pass, and a search over 5 folds x 20 values of $\lambda_1$ from it,
# 3. the same fit in memory, to compare: coefficients and scores,
# 4. the memory that it takes,
# 5. a classifier by batches,
# 6. the same on a Dask cluster.
#
# `MALSAR_PY_ROWS` sets the number of rows; 100,000 take 11 MB on disk. Needs the extra
# `scale`.

# %%
import logging
import os
import tempfile
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow.dataset as arrow
import pyarrow.parquet as parquet

from malsar_py import JointFeatureClassifier, JointFeatureRegressor, Summary, summarize
from malsar_py.model_selection import MultiTaskSearchCV, path_batches
from malsar_py.plotting import CVCurveDisplay, PathDisplay

plt.style.use("seaborn-v0_8-colorblind")

N_ROWS = int(os.environ.get("MALSAR_PY_ROWS", "100_000"))
N_FILES, N_SHOPS = 8, 100
NAMES = ["price", "discount", "rain", "heat", "weekend", "holiday", "flyer", "age", "size", "noise"]
COLUMNS = {"task_column": "shop", "target": "sales"}

rng = np.random.default_rng(0)
W = np.zeros((N_SHOPS, len(NAMES)))
W[:, :6] = [-1.0, 0.8, -0.4, 0.3, 0.6, 0.5]
W[:, :6] += 0.2 * rng.standard_normal((N_SHOPS, 6))


def make(seed, n):
    """A file's rows."""
    rng = np.random.default_rng(seed)
    X, shop = rng.standard_normal((n, len(NAMES))), rng.integers(0, N_SHOPS, n)
    X[:, 0] += 1e4  # prices are in cents: an offset of 10,000 standard deviations
    z = np.einsum("ij,ij->i", X - [1e4] + [1e4] * (np.arange(len(NAMES)) > 0), W[shop])
    frame = pd.DataFrame(X, columns=NAMES)
    frame.insert(0, "shop", shop)
    sales = z + 0.01 * shop + rng.standard_normal(n)
    return frame.assign(sales=sales, sold_out=sales + rng.logistic(size=n) > 1.0)


place = tempfile.TemporaryDirectory()
folder = Path(place.name)
for k in range(N_FILES):
    make(k + 1, N_ROWS // N_FILES).to_parquet(folder / f"part-{k}.parquet")
on_disk = sum(path.stat().st_size for path in folder.iterdir())
print(f"{N_ROWS} rows in {N_FILES} files of {on_disk / 1e6:.0f} MB together")

# %% [markdown]
# ## One pass, one search
#
# `folds=5` deals rows to folds by a hash of their own numbers: the same for any order of files.

# %%
rows = arrow.dataset(folder).to_table(columns=["shop", *NAMES, "sales"])
sales = ["shop", *NAMES, "sales"]
summary = summarize(arrow.dataset(folder).scanner(columns=sales), **COLUMNS, folds=5)
print(summary, f"{summary.nbytes / 1e6:.1f} MB")
assert summary.n_rows_ == N_ROWS

search = MultiTaskSearchCV(JointFeatureRegressor(tol=1e-10), n_lambdas=20).fit(summary)
best = search.best_estimator_
print(f"lambda1 {search.best_params_['lambda1']:.2g}, R2 {search.best_score_:.4f}")
print(
    f"relative gap {best.relative_gap_:.1e}; not used: {np.array(NAMES)[(best.coef_ == 0).all(0)]}"
)
assert best.relative_gap_ <= 1e-10

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
CVCurveDisplay.from_estimator(search, ax=ax)
ax.set_title(f"5 folds x 20 values from one pass over {N_ROWS:,} rows")

# %% [markdown]
# ## The same as in memory
#
# Coefficients of the fit of all rows, and the summary of the files read in another order.

# %%
frame = rows.to_pandas()
whole = JointFeatureRegressor(lambda1=search.best_params_["lambda1"], tol=1e-10)
whole.fit(frame[NAMES], frame["sales"], tasks=frame["shop"])
apart = np.abs(best.coef_ - whole.coef_).max() / np.abs(whole.coef_).max()
print(f"coefficients differ by {apart:.1e} of the largest")
assert apart < 1e-7

backwards = Summary()
for path in sorted(folder.iterdir(), reverse=True):
    part = summarize(parquet.ParquetFile(path).iter_batches(columns=sales), **COLUMNS, folds=5)
    backwards = backwards + part
again = JointFeatureRegressor(lambda1=search.best_params_["lambda1"], tol=1e-10).fit(backwards)
apart = np.abs(again.coef_ - best.coef_).max() / np.abs(best.coef_).max()
print(f"files backwards, added up: {apart:.1e}")
assert apart < 1e-9

# %% [markdown]
# ## Memory
#
# What NumPy allocates at most, batch by batch, does not grow with the number of files.

# %%
peaks, counts = [], [1, 2, 4, 8]
for n_files in counts:
    files = sorted(folder.iterdir())[:n_files]
    batches = (
        batch
        for path in files
        for batch in parquet.ParquetFile(path).iter_batches(20_000, columns=sales)
    )
    tracemalloc.start()
    summarize(batches, **COLUMNS, folds=5)
    peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()
print("MB at most:", [round(peak, 1) for peak in peaks])
assert max(peaks) < 1.2 * min(peaks)

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
millions = [n_files * (N_ROWS // N_FILES) / 1e6 for n_files in counts]
ax.plot(millions, peaks, "o-", label="one pass, 5 folds")
ax.plot(millions, [m * 8 * (len(NAMES) + 2) for m in millions], "s--", label="the rows as an array")
ax.set(xlabel="million rows", ylabel="memory, MB", ylim=(0, None), title="Memory of a summary")
ax.legend()

# %% [markdown]
# ## Other losses: some passes
#
# Whether the shop sold out, by the logistic loss: each pass is a Newton step, the last one
# certifies the fit. A path takes no more passes than its slowest fit, as every pass is for all
# values.

# %%
columns = ["shop", *NAMES, "sold_out"]


def source():
    """The batches anew, for each pass."""
    return arrow.dataset(folder).scanner(columns=columns, batch_size=50_000).to_batches()


names = {"task_column": "shop", "target": "sold_out"}
model = JointFeatureClassifier(lambda1=0.01, tol=1e-8).fit_batches(source, **names)
print(f"{model.n_passes_} passes, relative gap {model.relative_gap_:.1e}")
assert model.relative_gap_ <= 1e-8

path = path_batches(JointFeatureClassifier(), source, **names, n_lambdas=8)
print(f"a path of {len(path.lambda1)} values: {path.n_passes} passes")
assert (path.relative_gap <= 1e-6).all() and path.n_passes < 20

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
PathDisplay.from_path(path, ax=ax)

# %% [markdown]
# ## On a cluster
#
# A Dask DataFrame is summarised where its partitions are. Here the "cluster" is two threads.

# %%
try:
    import dask.dataframe as dd
    from dask.distributed import Client, LocalCluster
except ImportError as error:
    print(f"{error}: install the extra `scale`")
else:
    logging.getLogger("distributed").setLevel(logging.ERROR)
    settings = {"n_workers": 1, "threads_per_worker": 2, "processes": False}
    with LocalCluster(dashboard_address=None, **settings) as cluster, Client(cluster):
        there = summarize(dd.read_parquet(folder)[sales], **COLUMNS, folds=5)
    print(there)
    found = JointFeatureRegressor(lambda1=whole.lambda1, tol=1e-10).fit(there)
    apart = np.abs(found.coef_ - best.coef_).max() / np.abs(best.coef_).max()
    print(f"coefficients differ by {apart:.1e}")
    assert apart < 1e-9
place.cleanup()
