"""The account pass is compiled before the first test that plays with it, so that no test's time limit has to allow for
a compiler on a busy machine."""

from __future__ import annotations

import pytest

PLAY_COMPILED = ("scan", "backtest")
"""Folders of tests that do."""


def pytest_collection_finish(session: pytest.Session) -> None:
    if any(item.path.parent.name in PLAY_COMPILED for item in session.items) and not session.config.option.collectonly:
        from n1v1_research.scan.__main__ import main  # here, because most tests need no compiler

        main()
