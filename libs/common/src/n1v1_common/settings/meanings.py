"""What a setting means: the docstring below it in its section, read from the source when somebody asks.

pydantic can do the same (use_attribute_docstrings), but for every section and at each start, for a fifth of its time.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from pydantic import BaseModel

from n1v1_common.settings.model import Settings
from n1v1_common.settings.section import Section
from n1v1_common.settings.tree import Key


def meaning_of(key: Key) -> str:
    """On one line; empty for a setting without a docstring. The setting must exist."""
    *above, name = key
    section: type[BaseModel] = Settings
    for part in above:
        below = section.model_fields[part].annotation
        assert isinstance(below, type), "what holds a setting is a section"
        section = below
    docstrings = (_docstrings(owner) for owner in section.__mro__ if issubclass(owner, Section))
    return next((found[name] for found in docstrings if name in found), "")


@cache
def _docstrings(section: type[BaseModel]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for attribute, below in pairwise(tree.body):
        match attribute, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found
