"""Keep fitted models in files that hold no code: `dump` and `load`, by skops instead of pickle.

A pickle runs whatever its author wrote into it; these files are arrays, numbers, texts and names of
types, and only types that are known beforehand are ever made from one. skops is needed (extra
``table``), not to import this module.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, BadZipFile

from sklearn.base import BaseEstimator

__all__ = ["dump", "load", "trusted_types"]

# What fitted models hold beside arrays, numbers and texts. Making one of these, or an estimator,
# loss, penalty or graph of this package, from any arguments or state runs nothing else.
_STATE = (
    "malsar_py._compare._references.MeanClassifier",
    "malsar_py._compare._references.MeanRegressor",
    "malsar_py._family.Family",
    "malsar_py._keep_tasks.KeepTasks",
    "malsar_py.base._adapt._Fit",
    "malsar_py.mixed._effects.Effects",
    "malsar_py.mixed._estimate.Estimate",
    "malsar_py.mixed._likelihood.Evaluation",
    "malsar_py.mixed._likelihood.Likelihood",
    "malsar_py.mixed._statistics.Frame",
    "malsar_py.mixed._posterior.Moments",
    "malsar_py.mixed._statistics.TaskStatistics",
    "malsar_py.penalties._unresolved.Multiple",
    "malsar_py.penalties._unresolved.Sum",
    "numpy.dtype",
)
# The steps of a fitted TableVectorizer and how it chose their columns.
_SKRUB = (
    "skrub._apply_to_cols.ApplyToCols",
    "skrub._apply_to_each_col.ApplyToEachCol",
    "skrub._apply_to_sub_frame.ApplyToSubFrame",
    "skrub._check_input.CheckInputDataFrame",
    "skrub._clean_categories.CleanCategories",
    "skrub._clean_null_strings.CleanNullStrings",
    "skrub._dataframe._common.is_any_date",
    "skrub._dataframe._common.is_categorical",
    "skrub._dataframe._common.is_numeric",
    "skrub._datetime_encoder.DatetimeEncoder",
    "skrub._drop_uninformative.DropUninformative",
    "skrub._duration_to_float.DurationToFloat",
    "skrub._string_encoder.StringEncoder",
    "skrub._table_vectorizer.PassThrough",
    "skrub._table_vectorizer.ShortReprDict",
    "skrub._table_vectorizer.TableVectorizer",
    "skrub._table_vectorizer._created_by_predicate",
    "skrub._to_datetime.ToDatetime",
    "skrub._to_float.ToFloat",
    "skrub._to_str.ToStr",
    "skrub.selectors._base.All",
    "skrub.selectors._base.And",
    "skrub.selectors._base.Cols",
    "skrub.selectors._base.Filter",
    "skrub.selectors._base.Sub",
    "skrub.selectors._selectors._cardinality_below",
)


def dump(model: Any, file: str | os.PathLike[str] | BinaryIO, *, trusted: Any = ()) -> None:
    """Write a fitted model, or a pipeline that ends in one, to a file that `load` reads.

    Parameters
    ----------
    model : estimator
        Any estimator of this package, `keep_tasks`, scikit-learn's own, skrub's TableVectorizer,
        and pipelines, lists and dicts of these.
    file : path or binary file
        Where to; the usual ending is ``.skops``.
    trusted : collection of str or type, default=()
        Further types that the model may hold (a penalty or loss of your own, as
        ``"package.module.Class"``); `load` needs the same.

    Raises
    ------
    ValueError
        If the model holds what `load` would refuse, by name: nothing is written then.
    ImportError
        If skops is not installed.

    See Also
    --------
    load : Read such a file.

    Examples
    --------
    >>> import io
    >>> from malsar_py import MeanRegularizedRegressor, persistence
    >>> from malsar_py.datasets import load_exam
    >>> X, y, tasks = load_exam(return_X_y=True)
    >>> model = MeanRegularizedRegressor(lambda1=3.0, lambda2=0.1).fit(X, y, tasks=tasks)
    >>> file = io.BytesIO()  # or a path
    >>> persistence.dump(model, file)  # doctest: +SKIP
    >>> persistence.load(file).coef_.shape  # doctest: +SKIP
    (65, 15)
    """
    io = _skops_io()
    try:
        data = io.dumps(model, compression=ZIP_DEFLATED)
    except io.exceptions.UnsupportedTypeException as error:
        raise ValueError(f"this model cannot be kept without pickle: {error}") from error
    others = _others(io.get_untrusted_types(data=data), trusted)
    if others:
        raise ValueError(
            f"the model holds {_listed(others)}, which a loaded file may not: pass trusted= if "
            "these are your own and harmless (of a search, keep best_estimator_)"
        )
    if isinstance(file, str | os.PathLike):
        Path(file).write_bytes(data)
    else:
        file.write(data)


def load(file: str | os.PathLike[str] | BinaryIO, *, trusted: Any = ()) -> Any:
    """Read a model that `dump` wrote, or any file of skops with the types trusted here.

    Whatever the file says, only the types of `trusted_types` and those passed are made; anything
    else is refused before anything is made.

    Parameters
    ----------
    file : path or binary file
        What `dump` wrote.
    trusted : collection of str or type, default=()
        Further types to be made if the file names them. Each can then be called with whatever the
        file says, so pass only your own, never what a message about a file from elsewhere lists.

    Returns
    -------
    model : object
        The model, with scikit-learn's InconsistentVersionWarning if another version wrote it.

    Raises
    ------
    ValueError
        If the file is none of skops, is damaged, or names other types.
    ImportError
        If skops is not installed.

    See Also
    --------
    dump : Write such a file.
    """
    io = _skops_io()
    name = os.fspath(file) if isinstance(file, str | os.PathLike) else "the file"
    data = Path(file).read_bytes() if isinstance(file, str | os.PathLike) else _read(file)
    try:
        others = _others(io.get_untrusted_types(data=data), trusted)
        if not others:
            return io.loads(data, trusted=[*trusted_types(), *trusted])
    except BadZipFile as error:
        raise ValueError(f"{name} is no model kept by malsar_py.persistence.dump") from error
    except Exception as error:  # of its content, which may be anything
        raise ValueError(
            f"{name} is damaged, or was written by another version of its packages "
            f"({type(error).__name__}: {error})"
        ) from error
    raise ValueError(
        f"{name} names {_listed(others)}, which is not made from a file: it was written by other "
        "versions of malsar_py or skrub, holds types of its author's own, or means harm. Nothing "
        "was loaded; if you wrote it, pass trusted="
    )


@cache
def trusted_types() -> tuple[str, ...]:
    """Names of the types that `load` makes, besides those of scikit-learn that skops trusts.

    Returns
    -------
    names : tuple of str
        Estimators, losses, penalties and graphs of this package, what fitted ones hold, and the
        steps of skrub's TableVectorizer.
    """
    import malsar_py

    from . import graphs, losses, penalties

    estimators = [thing for thing in _classes(malsar_py) if issubclass(thing, BaseEstimator)]
    parts = [thing for module in (graphs, losses, penalties) for thing in _classes(module)]
    return tuple(sorted({*map(_name, estimators + parts), *_STATE, *_SKRUB}))


def _classes(module: ModuleType) -> list[type]:
    """The classes of this package that a module makes public, or defines."""
    return [
        thing
        for thing in vars(module).values()
        if inspect.isclass(thing) and thing.__module__.partition(".")[0] == "malsar_py"
    ]


def _name(thing: str | type) -> str:
    return thing if isinstance(thing, str) else f"{thing.__module__}.{thing.__qualname__}"


def _others(found: Collection[str], trusted: Any) -> list[str]:
    """Those of the types found that are neither known nor passed."""
    return sorted(set(found).difference(trusted_types(), map(_name, trusted)))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _read(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _skops_io() -> Any:
    try:
        import skops.io
        import skops.io.exceptions
    except ImportError as error:
        raise ImportError('keeping models needs skops: pip install "malsar_py[table]"') from error
    return skops.io
