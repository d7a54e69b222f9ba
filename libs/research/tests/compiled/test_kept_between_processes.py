"""Compiled code is found again by the next process, and not when anything that it was made from has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNEL = """
from n1v1.kernels import kernel
from n1v1_research.compiled.kernels import compiled_driver

FACTOR = {factor}


@kernel
def scaled(x):
    return x * FACTOR{more}


def driver(x):
    return scaled(x)


made = compiled_driver(driver, "test", {{}})
print(made(5), sum(made.stats.cache_hits.values()))
"""


@pytest.fixture
def run(tmp_path: Path):  # type: ignore[no-untyped-def]  # a function of the source
    def once(factor: int = 2, more: str = "") -> list[int]:
        script = tmp_path / "kernels_here.py"
        script.write_text(KERNEL.format(factor=factor, more=more))
        environment = {**os.environ, "N1V1_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run(
            [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        return [int(word) for word in done.stdout.split()]

    return once


def test_the_second_process_finds_what_the_first_compiled(run) -> None:  # type: ignore[no-untyped-def]
    assert run() == [10, 0]
    assert run() == [10, 1]


def test_a_changed_kernel_or_constant_is_compiled_anew(run) -> None:  # type: ignore[no-untyped-def]
    assert run() == [10, 0]
    assert run(more=" + 1") == [11, 0]
    assert run(factor=3) == [15, 0]


def test_without_a_writable_folder_it_is_compiled_each_time(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert run() == [10, 0]
    assert run() == [10, 0]
