"""The ``fetch_*`` functions on small files: loopback server, user's folder, what is parsed."""

from __future__ import annotations

import hashlib
import http.server
import inspect
import logging
import re
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from malsar_py import datasets
from malsar_py.datasets import _files, _registry

from .dataset_files import tiny_files

FILES = sorted(_registry.REMOTE)
# (fetcher, its options, the files it reads, (rows, features, tasks) of the small files)
FETCHERS = [
    ("fetch_school", {}, ["school.mat"], (5, 4, 2)),
    ("fetch_landmine", {}, ["LandmineData.mat"], (5, 9, 2)),
    ("fetch_computer_survey", {}, ["conjointAnalysisComputerBuyers.mat"], (12, 13, 3)),
    ("fetch_sarcos_subset", {}, ["sub_sarcos.csv"], (2, 21, 2)),
    ("fetch_parkinsons", {}, ["parkinsons_updrs.data"], (3, 4, 2)),
    ("fetch_oasis_longitudinal", {}, ["oasis_longitudinal.csv"], (4, 7, 3)),
    ("fetch_grouseticks", {}, ["grouseticks.csv"], (4, 3, 2)),
    ("fetch_gdsc", {}, ["genomic_features_v17.csv.gz", "IC50_v17.csv.gz"], (3, 2, 2)),
    *(
        (
            "fetch_newsgroups_pairs",
            {"pair": pair},
            [f"newsgroup/{pair}.task{t}.mat" for t in (1, 2)],
            (n_rows, 6, 2),
        )
        for pair, n_rows in (("comp.vs.sci", 5), ("rec.vs.talk", 7))
    ),
]
CASES = [
    pytest.param(*case, id="-".join([case[0].removeprefix("fetch_"), *case[1].values()]))
    for case in FETCHERS
]


class Server:
    """Loopback HTTP server of some files, which notes what it is asked for."""

    def __init__(self, files):
        self.files = dict(files)
        self.requests = []
        self.cut = False  # stop after half of what was announced
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.removeprefix("/")
                outer.requests.append(name)
                body = outer.files.get(name)
                self.send_response(404 if body is None else 200)
                body = body or b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if outer.cut else body)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture(scope="module")
def tiny():
    return tiny_files()


@pytest.fixture
def registry(monkeypatch, tiny):
    """Register the small files' hashes; nothing of the user's environment is left."""
    monkeypatch.delenv("MALSAR_PY_DATA", raising=False)
    for name, body in tiny.items():
        source = _registry.REMOTE[name]._replace(sha256=hashlib.sha256(body).hexdigest())
        monkeypatch.setitem(_registry.REMOTE, name, source)


@pytest.fixture
def server(registry, monkeypatch, tiny):
    """Server of the small files, registered as the source of each."""
    pytest.importorskip("pooch", reason="the download path needs pooch")
    server = Server(tiny)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name, source in _registry.REMOTE.items():
        monkeypatch.setitem(_registry.REMOTE, name, source._replace(url=f"{server.url}/{name}"))
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture
def own(registry, monkeypatch, tmp_path, tiny):
    """Folder with the small files that MALSAR_PY_DATA names; nothing may be downloaded."""
    folder = tmp_path / "own"
    for name, body in tiny.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    monkeypatch.setenv("MALSAR_PY_DATA", str(folder))
    monkeypatch.setitem(sys.modules, "pooch", None)
    return folder


def files_in(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


# --------------------------------------------------------------------------------------- Registry


def test_every_file_has_a_source_and_a_fetcher(tiny):
    assert sorted(tiny) == FILES
    assert sorted(name for _, _, names, _ in FETCHERS for name in names) == FILES
    public = {name for name in datasets.__all__ if name.startswith("fetch_")}
    assert {name for name, *_ in FETCHERS} == public


@pytest.mark.parametrize("name", FILES)
def test_sources_are_fixed(name):
    """A commit, not a branch, and a whole hash."""
    url, sha256 = _registry.REMOTE[name]
    raw = r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/[\w./-]+"
    assert re.fullmatch(raw, url)
    assert re.fullmatch("[0-9a-f]{64}", sha256)


@pytest.mark.parametrize("fetcher", sorted({name for name, *_ in FETCHERS}))
def test_docstrings_are_complete(fetcher):
    """Every argument, the folders and what is raised stand in each docstring."""
    function = getattr(datasets, fetcher)
    text = inspect.getdoc(function)
    for name in inspect.signature(function).parameters:
        assert f"\n{name} : " in text, name
    for word in ("MALSAR_PY_DATA", "OSError", "References"):
        assert word in text


# --------------------------------------------------------------------------------------- Download


@pytest.mark.parametrize(("fetcher", "options", "names", "shape"), CASES)
def test_download_once_and_silently(fetcher, options, names, shape, server, tmp_path, capfd):
    home = tmp_path / "new" / "cache"
    fetch = getattr(datasets, fetcher)
    first = fetch(data_home=home, **options)
    second = fetch(data_home=str(home), **options)
    assert server.requests == names
    assert files_in(home) == sorted(names)
    for name in names:
        assert (home / name).read_bytes() == server.files[name]
    assert (*first.data.shape, len(np.unique(first.tasks))) == shape
    assert_array_equal(first.data, second.data)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("case", ["404", "hash mismatch", "cut off", "no server"])
def test_a_failed_download_says_what_to_do(case, name, server, tmp_path, monkeypatch):
    if case == "404":
        del server.files[name]
    elif case == "hash mismatch":
        server.files[name] = b"not the file"
    elif case == "cut off":
        server.cut = True
    else:
        source = _registry.REMOTE[name]._replace(url=f"http://127.0.0.1:9/{name}")
        monkeypatch.setitem(_registry.REMOTE, name, source)
    url = _registry.REMOTE[name].url
    logger = pytest.importorskip("pooch").get_logger()
    monkeypatch.setattr(logger, "level", logging.WARNING)
    message = (
        rf"^{re.escape(name)} could not be downloaded.*Download {re.escape(url)} yourself, "
        rf"put it as {re.escape(name)} into a folder.*MALSAR_PY_DATA"
    )
    with pytest.raises(OSError, match=message):
        _files.fetch(name, tmp_path)
    assert logger.level == logging.WARNING
    assert files_in(tmp_path) == []
    assert len(server.requests) == (case != "no server")


@pytest.mark.parametrize(("fetcher", "options", "names", "shape"), CASES)
def test_offline_without_a_copy(fetcher, options, names, shape, server, tmp_path):
    server.files.clear()
    with pytest.raises(OSError, match=f"^{re.escape(names[0])} could not be downloaded"):
        getattr(datasets, fetcher)(data_home=tmp_path, **options)


def test_after_a_cut_off_transfer_the_next_one_counts(server, tmp_path):
    server.cut = True
    with pytest.raises(OSError, match=r"school\.mat could not be downloaded"):
        datasets.fetch_school(data_home=tmp_path)
    server.cut = False
    assert datasets.fetch_school(data_home=tmp_path).data.shape == (5, 4)


def test_default_cache_folder(server, tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    assert datasets.fetch_school().filename == str(tmp_path / "malsar_py" / "school.mat")


def test_a_spoilt_cache_is_downloaded_again(server, tmp_path):
    (tmp_path / "school.mat").write_bytes(b"half a file")
    assert datasets.fetch_school(data_home=tmp_path).data.shape == (5, 4)
    assert server.requests == ["school.mat"]


def test_without_pooch(tmp_path, monkeypatch):
    monkeypatch.delenv("MALSAR_PY_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"malsar_py\[data\].*Download https.*MALSAR_PY_DATA"):
        datasets.fetch_school(data_home=tmp_path)


# ------------------------------------------------------------------------------- The user's folder


def test_the_own_folder_comes_first(server, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("MALSAR_PY_DATA", str(own))
    datasets.fetch_school(data_home=tmp_path / "cache")
    assert server.requests == ["school.mat"]  # the folder does not hold the file
    (own / "school.mat").write_bytes(server.files["school.mat"])
    school = datasets.fetch_school(data_home=tmp_path / "other")
    assert school.filename == str(own / "school.mat")
    assert server.requests == ["school.mat"]


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_file_in_the_own_folder(name, own):
    (own / name).write_bytes(b"something else")
    message = r"found by MALSAR_PY_DATA.*SHA-256 is not .*Download http"
    with pytest.raises(OSError, match=message):
        _files.fetch(name, None)


# ------------------------------------------------------------------------------------------ Forms


@pytest.mark.parametrize(("fetcher", "options", "names", "shape"), CASES)
def test_forms(fetcher, options, names, shape, own):
    """Bunch, DataFrame and ``(data, target)`` hold the same, and say where it comes from."""
    fetch = getattr(datasets, fetcher)
    arrays, frames = fetch(**options), fetch(as_frame=True, **options)
    n_rows, n_features, _ = shape
    assert arrays.data.shape == (n_rows, n_features)
    assert arrays.data.dtype == np.float64
    assert arrays.data.flags.c_contiguous
    assert len(arrays.feature_names) == len(set(arrays.feature_names)) == n_features
    assert arrays.frame is None
    licence = "CC BY 4.0" if fetcher == "fetch_parkinsons" else "never distributed with"
    for word in ("task", "Protocol: ", "Source: ", licence):
        assert word in " ".join(arrays.DESCR.split())
    assert "{" not in arrays.DESCR
    filename = [arrays.filename] if isinstance(arrays.filename, str) else arrays.filename
    assert filename == [str(own / name) for name in names]

    assert frames.feature_names == arrays.feature_names == list(frames.data)[-n_features:]
    assert_array_equal(frames.data[frames.feature_names], arrays.data)
    assert_array_equal(frames.target, arrays.target)
    assert len(frames.frame) == n_rows
    if arrays.target.ndim == 1:
        assert arrays.target.shape == arrays.tasks.shape == (n_rows,)
        assert list(frames.data)[:-n_features] == [arrays.task_name]
        assert_array_equal(frames.data[arrays.task_name], arrays.tasks)
        assert [frames.target.name] == arrays.target_names
        assert {arrays.task_name, *arrays.target_names} < set(frames.frame)
    else:
        assert list(frames.target) == list(arrays.tasks) == arrays.target_names

    for bunch, as_frame in ((arrays, False), (frames, True)):
        data, target = fetch(return_X_y=True, as_frame=as_frame, **options)
        assert type(data) is type(bunch.data)
        assert_array_equal(data, bunch.data)
        assert_array_equal(target, bunch.target)


@pytest.mark.parametrize(("fetcher", "options", "names", "shape"), CASES)
def test_without_pandas(fetcher, options, names, shape, own, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    fetch = getattr(datasets, fetcher)
    assert fetch(**options).data.shape == shape[:2]
    with pytest.raises(ImportError, match=f"^{fetcher} with as_frame=True requires pandas"):
        fetch(as_frame=True, **options)


@pytest.mark.parametrize(
    ("fetcher", "options", "message"),
    [
        ("fetch_newsgroups_pairs", {"pair": "sci"}, r"pair must be one of \['comp.*got 'sci'"),
        ("fetch_parkinsons", {"target": None}, r"target must be one of \['motor_.*got None"),
        ("fetch_oasis_longitudinal", {"target": "SES"}, r"target must be one of \['MMSE'"),
        ("fetch_oasis_longitudinal", {"features": ""}, r"features must be one of \['baseline'"),
    ],
)
def test_fetchers_refuse(fetcher, options, message, own):
    with pytest.raises(ValueError, match=message):
        getattr(datasets, fetcher)(**options)


# ----------------------------------------------------------------------------------- What is parsed


def test_survey_rows_are_persons_times_computers(own):
    survey = datasets.fetch_computer_survey()
    assert_array_equal(survey.data, np.tile(survey.data[:4], (3, 1)))
    assert_array_equal(survey.tasks, np.repeat([1, 2, 3], 4))
    assert set(survey.data.ravel()) == {-1.0, 1.0}


def test_sarcos_columns(own):
    sarcos = datasets.fetch_sarcos_subset()
    assert_array_equal(sarcos.data, 0.5 + np.arange(21) + np.array([[0], [30]]))
    assert_array_equal(sarcos.target, [11.5, -3.25])
    assert_array_equal(sarcos.tasks, [7, 2])


def test_landmine_labels(own):
    landmine = datasets.fetch_landmine()
    assert_array_equal(landmine.target, [1, 0, 0, 1, 0])
    assert landmine.target.dtype.kind == "i"
    assert_array_equal(landmine.tasks, [1, 1, 1, 2, 2])


@pytest.mark.parametrize(
    ("target", "values"), [("motor_UPDRS", [28.2, 28.4, 20.5]), ("total_UPDRS", [34.4, 34.9, 26.1])]
)
def test_parkinsons_scores_are_no_features(target, values, own):
    patients = datasets.fetch_parkinsons(target=target, as_frame=True)
    assert patients.feature_names == ["age", "sex", "test_time", "Jitter(Abs)"]
    assert_array_equal(patients.target, values)
    assert_array_equal(patients.data["Jitter(Abs)"], [3.38e-05, 1.68e-05, 2.5e-05])
    pd.testing.assert_frame_equal(patients.frame, pd.read_csv(patients.filename, sep="\t"))


def test_oasis_features_are_those_of_the_first_visit(own):
    names = ["sex=M", "Age", "EDUC", "SES", "eTIV", "nWBV", "ASF"]
    first = datasets.fetch_oasis_longitudinal()
    assert first.feature_names == names
    one = [0, 70, 12, np.nan, 1400, 0.7, 1.2]
    other = [1, 80, 16, 2, 1610, 0.76, 1.09]
    assert_array_equal(first.data, [one, one, other, other])
    assert_array_equal(first.target, [25, 22, 29, 30])
    assert_array_equal(first.tasks, [1, 2, 3, 1])
    assert_array_equal(first.groups, ["B", "B", "A", "A"])
    visit = datasets.fetch_oasis_longitudinal(target="CDR", features="visit")
    assert_array_equal(visit.data[:, 1], [70, 71, 83, 80])
    assert_array_equal(visit.target, [0.5, 1, 0, 0])


def test_gdsc_rows_are_joined_by_cell_line(own):
    gdsc = datasets.fetch_gdsc(as_frame=True)
    assert gdsc.feature_names == ["MSI_FACTOR", "BRAF_mut"]
    assert gdsc.target_names == ["Drug_1", "Drug_3"]
    assert list(gdsc.data.index) == list(gdsc.target.index) == [30, 10, 20]
    assert_array_equal(gdsc.data, [[0, 1], [1, 0], [0, 0]])
    assert_array_equal(gdsc.target, [[2.25, 0.5], [-1.5, np.nan], [np.nan, np.nan]])
    assert_array_equal(gdsc.groups, ["lung", "skin", "lung"])
