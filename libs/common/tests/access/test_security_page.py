"""docs/security.md shows the table as it is."""

from __future__ import annotations

from pathlib import Path

from n1v1_common.access.page import table


def test_the_page_shows_the_table_as_it_is() -> None:
    page = Path(__file__).parents[4] / "docs" / "security.md"
    assert table() in page.read_text(), "python -m n1v1_common.access.page prints it"
