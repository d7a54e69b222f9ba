from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def world_readable_folder() -> Iterator[Path]:
    """A folder that any user may enter; pytest's own is closed to all but its owner."""
    folder = Path(tempfile.mkdtemp(prefix="n1v1-servers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
