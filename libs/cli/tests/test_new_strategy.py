"""n1v1 new strategy: what it writes passes its own tests, in every form, and is found as a file and by its name."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from n1v1.strategies.registry import find, key_of
from n1v1_cli.main import main
from n1v1_cli.new_strategy.package import FORMS, class_name_of


@pytest.mark.parametrize("form", FORMS)
def test_a_new_package_passes_its_own_tests(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "package"
    assert main(["new", "strategy", f"my_{form}_idea", "--form", form, "--folder", str(folder)]) == 0
    assert str(folder / "pyproject.toml") in capsys.readouterr().out
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "skipped" not in tests.stdout


@pytest.mark.parametrize("form", FORMS)
def test_what_it_writes_is_what_a_linter_wants(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    main(["new", "strategy", "my_idea", "--form", form, "--folder", str(folder)])
    for tool in (
        ["ruff", "check", "--isolated"],
        ["ruff", "format", "--isolated", "--line-length=120", "--check"],
    ):
        command = [sys.executable, "-m", *tool, "."]
        checked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout


def test_its_entry_point_and_its_file_are_the_strategy(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    main(["new", "strategy", "my_idea", "--folder", str(folder)])
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["n1v1.strategies"] == {"my_idea": "my_idea.strategy:MyIdeaStrategy"}
    found = find(str(folder / "src" / "my_idea" / "strategy.py"))
    assert (found.__name__, key_of(found)) == ("MyIdeaStrategy", "my_idea")


def test_the_class_is_named_so_that_its_key_is_the_name() -> None:
    assert class_name_of("ema_2_cross") == "Ema2CrossStrategy"


@pytest.mark.parametrize("name", ["My_Idea", "2fast", "my-idea", "class", "my__idea", ""])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "strategy", name, "--folder", str(tmp_path / "p")]) != 0
    assert "such as my_idea" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("name", ["json", "n1v1", "strategies"])
def test_a_name_that_another_module_has_is_refused(name: str, tmp_path: Path) -> None:
    assert main(["new", "strategy", name, "--folder", str(tmp_path / "p")]) != 0


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert main(["new", "strategy", "my_idea", "--folder", str(tmp_path)]) == 1
    assert "is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
