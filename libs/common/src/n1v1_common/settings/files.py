"""Reads settings files (JSON, YAML, TOML) and remembers on which line each key stands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.tree import Key, dotted

Lines = dict[Key, int]
"""Line of each key, from 1."""

_DEPTH_MAX = 16  # the tree is four deep; more means a YAML alias that contains itself


def read_file(path: Path) -> tuple[dict[str, Any], Lines]:
    """The file as nested dicts, with the line of each key where the format tells it.

    Raises:
        ConfigError: unreadable, unknown kind of file, syntax error (with line and column), key given twice.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise ConfigError([f"{path}: settings are read from {', '.join(_READERS)} files, not from {path.name!r}"])
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from error
    tree, lines = read(text, path)
    if not isinstance(tree, dict):
        raise ConfigError([f"{path}: expected sections with keys, found {type(tree).__name__}"])
    return tree, lines


def leaves(tree: dict[Any, Any], path: Path, above: Key = ()) -> Iterator[tuple[Key, object]]:
    """Every value of the tree with its key. A list is one value, and so is an empty section."""
    if len(above) > _DEPTH_MAX:
        raise ConfigError([f"{path}: {dotted(above[:3])}... is nested more than {_DEPTH_MAX} deep"])
    for name, value in tree.items():
        if not isinstance(name, str):
            raise ConfigError([f"{path}: the key {name!r} in {dotted(above) or 'the file'} is not text; quote it"])
        here = (*above, name)
        if isinstance(value, dict) and value:
            yield from leaves(value, path, here)
        else:
            yield here, value


def _syntax_error(path: Path, line: int, column: int, problem: str) -> ConfigError:
    return ConfigError([f"{path}:{line}:{column}: {problem}"])


def _twice(path: Path, key: Key, line: int) -> ConfigError:
    return ConfigError([f"{path}:{line}: {dotted(key)} is given twice in this file"])


def _read_json(text: str, path: Path) -> tuple[Any, Lines]:
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise _syntax_error(path, error.lineno, error.colno, f"not valid JSON: {error.msg}") from error
    lines: Lines = {}
    if isinstance(tree, dict):
        for key, offset in _json_keys(text):
            line = text.count("\n", 0, offset) + 1
            if key in lines:
                raise _twice(path, key, line)
            lines[key] = line
    return tree, lines


_JSON_SPACE = re.compile(r"[ \t\r\n]*")


def _json_keys(text: str) -> Iterator[tuple[Key, int]]:
    """Each key of a valid JSON object with its offset. The json module keeps no positions."""
    decoder = json.JSONDecoder()

    def after_space(at: int) -> int:
        space = _JSON_SPACE.match(text, at)
        assert space is not None, "an empty match is a match"
        return space.end()

    at = after_space(0) + 1
    open_objects: list[str] = []
    name = ""
    while True:
        at = after_space(at)
        if text[at] == "}":
            if not open_objects:
                return
            open_objects.pop()
            at += 1
        elif text[at] == ",":
            at += 1
        else:
            name, after = decoder.raw_decode(text, at)
            yield (*open_objects, name), at
            at = after_space(after_space(after) + 1)  # past the colon
            if text[at] == "{":
                open_objects.append(name)
                at += 1
            else:
                _, at = decoder.raw_decode(text, at)


def _read_yaml(text: str, path: Path) -> tuple[Any, Lines]:
    import yaml

    try:
        tree = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"not valid YAML: {error.problem or error.context}"
        if mark is None:
            raise ConfigError([f"{path}: {problem}"]) from error
        raise _syntax_error(path, mark.line + 1, mark.column + 1, problem) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}: not valid YAML: a character that YAML does not allow"]) from error
    lines: Lines = {}
    for key, line in _yaml_keys(node, ()):
        if key in lines:
            raise _twice(path, key, line)
        lines[key] = line
    return ({} if tree is None else tree), lines


def _yaml_keys(node: Any, above: Key) -> Iterator[tuple[Key, int]]:  # Any: the nodes of PyYAML's stubs are untyped
    import yaml

    if not isinstance(node, yaml.MappingNode) or len(above) > _DEPTH_MAX:
        return
    for name, value in node.value:
        here = (*above, str(name.value))
        yield here, name.start_mark.line + 1
        yield from _yaml_keys(value, here)


def _read_toml(text: str, path: Path) -> tuple[Any, Lines]:
    import tomllib

    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem, line, column = _toml_position(str(error), text)
        raise _syntax_error(path, line, column, f"not valid TOML: {problem}") from error
    return tree, dict(_toml_keys(text))


def _toml_position(message: str, text: str) -> tuple[str, int, int]:
    """tomllib says where only in words: "... (at line 3, column 7)" or "... (at end of document)"."""
    if found := re.search(r" \(at line (\d+), column (\d+)\)$", message):
        return message[: found.start()], int(found[1]), int(found[2])
    last = text.splitlines() or [""]
    return message.removesuffix(" (at end of document)"), len(last), len(last[-1]) + 1


def _toml_keys(text: str) -> Iterator[tuple[Key, int]]:
    """Keys in their plain form (`[section]`, `name = ...`). tomllib keeps no positions."""
    above: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[([\w.-]+)\]", line):
            above = tuple(header[1].split("."))
        elif name := re.match(r"\s*([\w.-]+)\s*=", line):
            yield (*above, *name[1].split(".")), number


_READERS: dict[str, Callable[[str, Path], tuple[Any, Lines]]] = {
    ".json": _read_json,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".toml": _read_toml,
}
