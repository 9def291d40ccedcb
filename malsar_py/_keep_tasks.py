"""A transformer for every column but the task labels, for pipelines with `task_column`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.utils.validation import check_is_fitted, validate_data

from ._doc_link import PACKAGE, page_of
from ._labels import as_labels, as_table, column_position, frame_columns
from ._typing import AnyArray

__all__ = ["keep_tasks"]


def keep_tasks(transformer: Any, task_column: int | str = 0) -> KeepTasks:
    """Apply a transformer to all columns but the task labels, which pass through untouched.

    In a pipeline, a scaler would scale the labels of `task_column` too, and a `ColumnTransformer`
    with `remainder="passthrough"` would move them to the end. This keeps them as they are and puts
    them first: the model that follows takes `task_column=0`, or the column's name if X is a
    DataFrame.

    Parameters
    ----------
    transformer : transformer or "passthrough"
        Any scikit-learn transformer of the other columns, which it sees as if the label column
        were not there. Its parameters are reached as `transformer__<name>`. For a DataFrame it
        must be able to return one (`set_output`); sparse output is made dense for arrays (use
        `sparse_output=False` for DataFrames).
    task_column : int or str, default=0
        Position or name of the label column in X.

    Returns
    -------
    KeepTasks
        An unfitted transformer. It turns a pandas or polars DataFrame into one of the same
        library: the label column under its name and with its type, then the transformed columns
        under the names the transformer gives them, without prefixes. An array becomes an array:
        float64 when labels and features are numbers, of objects when the labels are strings.
        Fitted, it has `transformer_` and `column_transformer_`.

    See Also
    --------
    stack_tasks : Stack one array per task into rows with task labels.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from malsar_py import keep_tasks
    >>> X = [["b", 1.0], ["a", 3.0]]
    >>> keep_tasks(StandardScaler()).fit_transform(X)
    array([['b', -1.0],
           ['a', 1.0]], dtype=object)
    """
    return KeepTasks(transformer, task_column)


def _arrays_stay_arrays(table: Any) -> Any:
    """Of arrays, scikit-learn 1.6 makes frames in which labels and first feature are both "x0"."""
    frame = type(table).__module__.split(".")[0] in ("pandas", "polars")
    return config_context() if frame else config_context(transform_output="default")


class KeepTasks(TransformerMixin, BaseEstimator):
    """What `keep_tasks` returns."""

    _doc_link_module = PACKAGE
    _doc_link_template = page_of("keep_tasks")

    def __init__(self, transformer: Any, task_column: int | str = 0) -> None:
        self.transformer = transformer
        self.task_column = task_column

    def fit(self, X: Any, y: Any = None) -> KeepTasks:
        """Fit the transformer to the columns other than the labels."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, and transform with the transformer's own fit_transform (target encoders need it)."""
        table = self._table(X, reset=True)
        position = column_position(table, self.task_column)
        others = [j for j in range(table.shape[1]) if j != position]
        if not others:
            raise ValueError(
                f"X has n_features=1, the labels of task_column={self.task_column!r}: "
                "there is nothing to transform."
            )
        inner = self.transformer if isinstance(self.transformer, str) else clone(self.transformer)
        columns = ColumnTransformer(
            [("task", "passthrough", [position]), ("transformer", inner, others)],
            sparse_threshold=0,
            verbose_feature_names_out=False,
        )
        library = type(table).__module__.split(".")[0]
        if library in ("pandas", "polars"):
            columns.set_output(transform=library)
        with _arrays_stay_arrays(table):
            out = columns.fit_transform(table, y)
        self.column_transformer_ = columns
        self.transformer_ = columns.named_transformers_["transformer"]
        return self._numbers(out)

    def transform(self, X: Any) -> Any:
        """Labels first, then the transformed columns."""
        check_is_fitted(self)
        table = self._table(X, reset=False)
        with _arrays_stay_arrays(table):
            return self._numbers(self.column_transformer_.transform(table))

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Names of the columns of the output, the label column first."""
        check_is_fitted(self)
        return self.column_transformer_.get_feature_names_out(input_features)

    def _table(self, X: Any, *, reset: bool) -> Any:
        table = as_table(X, self)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if frame_columns(table) is None and table.dtype.kind in "US":
            # Else numpy would turn the transformed numbers back into strings beside the labels.
            table = table.astype(object)
        return table

    def _numbers(self, out: Any) -> Any:
        """An object array as floats, if it holds numbers and its labels are numbers."""
        if frame_columns(out) is not None or out.dtype.kind != "O":
            return out
        if as_labels(out[:, 0], f"task_column={self.task_column!r}").dtype.kind not in "biuf":
            return out
        try:
            return out.astype(np.float64)
        except (TypeError, ValueError):  # the transformer returned strings
            return out
