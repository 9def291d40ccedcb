"""Files of data sets: shipped, in the user's folder, in the cache, or downloaded into it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
from pathlib import Path
from typing import TypeAlias

import numpy as np

from .._typing import AnyArray
from ._registry import REMOTE

__all__ = ["PathLike", "fetch", "read_columns", "shipped"]

PathLike: TypeAlias = str | os.PathLike[str]

_VARIABLE = "MALSAR_PY_DATA"
_TIMEOUT = 30.0  # seconds without an answer


def shipped(name: str) -> Path:
    """The file inside an installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package, package.parent):
        path = folder / "data" / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"data/{name} is neither in {package} nor in {package.parent}.")


def fetch(name: str, data_home: PathLike | None) -> Path:
    """Path of a checked copy of the file: the user's folder, the cache, or a download."""
    url, sha256 = REMOTE[name]
    remedy = (
        f"Download {url} yourself, put it as {name} into a folder, and set the environment "
        f"variable {_VARIABLE} to that folder."
    )
    own = os.environ.get(_VARIABLE)
    if own and (path := Path(own).expanduser() / name).is_file():
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise OSError(
                f"{path} (found by {_VARIABLE}) is not the expected file: its SHA-256 is not "
                f"{sha256}. {remedy}"
            )
        return path
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f'{name} is downloaded by pooch: pip install "malsar_py[data]". Without it: {remedy}'
        ) from error
    folder = pooch.os_cache("malsar_py") if data_home is None else Path(data_home).expanduser()
    target = folder / name  # the name may have a folder in it
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # pooch announces each download
    try:
        downloader = pooch.HTTPDownloader(timeout=_TIMEOUT)
        found = pooch.retrieve(
            url, f"sha256:{sha256}", target.name, target.parent, downloader=downloader
        )
    except (OSError, ValueError) as error:  # ValueError: pooch's word for a hash mismatch
        raise OSError(f"{name} could not be downloaded to {folder}: {error}. {remedy}") from error
    finally:
        logger.setLevel(level)
    return Path(found)


def read_columns(path: Path, delimiter: str = ",") -> dict[str, AnyArray]:
    """Columns of a text table with a header, as texts; the file may be gzipped."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file, delimiter=delimiter)
    columns = (np.array(texts) for texts in zip(*rows, strict=True))
    return dict(zip(names, columns, strict=True))
