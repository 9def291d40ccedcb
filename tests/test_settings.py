"""How the tests are run: in how many processes, and under other processors' arithmetic."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from . import settings
from .conftest import MOST_WORKERS, ROOT, pytest_xdist_auto_num_workers


def test_folders_are_spread_and_files_are_not(monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)

    def workers(*arguments):
        return pytest_xdist_auto_num_workers(SimpleNamespace(args=list(arguments)))

    assert 1 <= workers(str(ROOT / "tests"), str(ROOT / "malsar_py")) <= MOST_WORKERS
    assert workers(str(ROOT / "tests" / "test_stack.py")) == 0
    assert workers("tests/test_stack.py::test_one") == 0
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "3")
    assert workers(str(ROOT)) is None


@pytest.mark.parametrize(("body", "code"), [("pass", 0), ("assert False", 1)])
def test_a_row_for_every_setting(body, code, tmp_path, capsys):
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
    names = ["as it is", "numpy without dispatch"]
    chosen = [part for name in names for part in ("--only", name)]
    assert settings.main([*chosen, str(tmp_path)]) == code
    table = capsys.readouterr().out
    assert table.count("1 failed" if code else "1 passed") == len(names)
    assert ("FAILED" in table) == ("outputs: " in table) == bool(code)


def test_settings_that_this_processor_cannot_run(monkeypatch, tmp_path, capsys):
    there = settings.probe
    monkeypatch.setattr(
        settings, "probe", lambda own: None if "OPENBLAS_CORETYPE" in own else there(own)
    )
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert settings.main(["--only", "zen", str(tmp_path)]) == 0
    assert "not run: this processor cannot" in capsys.readouterr().out
