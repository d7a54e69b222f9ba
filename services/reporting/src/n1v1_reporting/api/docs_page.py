"""/docs: what the API answers and what can be asked of it, as one page that needs nothing from elsewhere.

The usual page for this loads its scripts from a public server, which would run beside the account's numbers and leave
the page empty where there is no internet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; }
h2 { font-size: 1.1rem; margin: 2rem 0 0.3rem; }
code, h2 { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; }
td, th { border-bottom: 1px solid #ddd; padding: 0.2rem 1rem 0.2rem 0; text-align: left; vertical-align: top; }
"""


def docs_page(schema: Mapping[str, Any]) -> str:
    """schema: OpenAPI 3.1, as FastAPI makes it from the routes and the models."""
    title = escape(schema["info"]["title"])
    routes = "".join(_route(path, methods["get"]) for path, methods in schema["paths"].items())
    models = "".join(_model(name, model) for name, model in schema["components"]["schemas"].items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1><p>Money, prices and quantities are decimals written as text, times ISO 8601 in UTC. For "
        f'programs: <a href="openapi.json">openapi.json</a>.</p>{routes}<h1>What answers are made of</h1>{models}'
        "</html>\n"
    )


def _route(path: str, operation: Mapping[str, Any]) -> str:
    parameters = operation.get("parameters", ())
    is_whole = not any(parameter["required"] for parameter in parameters)
    name = f'<a href="{escape(path)}">{escape(path)}</a>' if is_whole else escape(path)
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return f"<h2>GET {name}</h2><p>answers {_kind(answer)}</p>{_table('parameter', map(_parameter, parameters))}"


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, str]:
    return parameter["name"], f"{_kind(parameter['schema'])}{', required' if parameter['required'] else ''}"


def _model(name: str, model: Mapping[str, Any]) -> str:
    fields = ((field, _kind(kind)) for field, kind in model["properties"].items())
    return f'<h2 id="{escape(name)}">{escape(name)}</h2>{_table("field", fields)}'


def _kind(schema: Mapping[str, Any]) -> str:
    """The type of a value in words, as in "list of Order" or "string or null"; a model is a link."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    kind = escape(str(schema.get("format") or schema.get("type") or "anything"))
    return f"list of {_kind(schema['items'])}" if kind == "array" and "items" in schema else kind


def _table(head: str, rows: Iterable[tuple[str, str]]) -> str:
    """rows: a name, and what it is as HTML."""
    cells = "".join(f"<tr><td><code>{escape(name)}</code><td>{kind}" for name, kind in rows)
    return f"<table><tr><th>{head}<th>type{cells}</table>" if cells else ""
