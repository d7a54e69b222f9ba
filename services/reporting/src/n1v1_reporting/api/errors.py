"""Every error of the API has one shape: {"error": {"code", "message", "details"}}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from n1v1_reporting.api.models import ErrorAnswer, ErrorBody


class NotFound(Exception):
    """There is no such thing; the message says what there is."""


def answer_errors_in_one_shape(app: FastAPI) -> None:
    @app.exception_handler(NotFound)
    async def not_found(_request: Request, error: NotFound) -> JSONResponse:
        return _answer(404, "not_found", str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        details = [_sentence(problem) for problem in error.errors()]
        return _answer(422, "invalid_request", "; ".join(details), details)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        code = "not_found" if error.status_code == 404 else "http_error"
        return _answer(error.status_code, code, f"{request.method} {request.url.path}: {error.detail}")


def _answer(status: int, code: str, message: str, details: Sequence[str] = ()) -> JSONResponse:
    body = ErrorAnswer(error=ErrorBody(code=code, message=message, details=list(details)))
    return JSONResponse(body.model_dump(), status_code=status)


def _sentence(problem: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in problem["loc"][1:]) or "request"
    if problem["type"] == "extra_forbidden":
        return f"{name}: there is no such parameter"
    if problem["type"] == "missing":
        return f"{name}: is required"
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}, got {problem['input']!r}"
