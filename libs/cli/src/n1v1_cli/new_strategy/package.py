"""The files of a new strategy package."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from n1v1_cli.errors import CommandError, WrongOption

FORMS = ("compiled", "python", "classic")


_FILES: Mapping[str, str] = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "src/{key}/strategy.py": "{form}.py.txt",
    "tests/test_{key}.py": "{form}_test.py.txt",
}


def write_package(name: str, form: str, folder: Path) -> list[Path]:
    """Write the package into `folder`, which must be empty or not exist. Answers the files, in order.

    name: of the module and of the strategy, such as my_idea.
    Raises WrongOption for a name that cannot be one, CommandError for a folder that holds something already.
    """
    _check_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError(f"{folder} exists and is not an empty folder; name another one with --folder")
    words = {
        "key": name,
        "form": form,
        "class_name": class_name_of(name),
        "distribution": name.replace("_", "-"),
    }
    contents = {path.format(key=name): _filled(source.format(form=form), words) for path, source in _FILES.items()}
    contents[f"src/{name}/__init__.py"] = f'"""The strategy {name}."""\n'
    contents[f"src/{name}/py.typed"] = ""
    return [_written(folder / path, content) for path, content in contents.items()]


def class_name_of(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_")) + "Strategy"


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise WrongOption(f"a strategy is named in lower case with underscores, such as my_idea; got {name!r}")
    if find_spec(name) is not None:
        raise WrongOption(f"there is a module called {name!r} already; choose another name")


def _filled(template: str, words: Mapping[str, str]) -> str:
    return Template(files(__package__).joinpath(template).read_text("utf-8")).substitute(words)


def _written(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    return path
