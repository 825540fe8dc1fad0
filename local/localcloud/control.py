"""The control API, `/_local/…`: what a person or a test does to the local cloud from outside."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from localcloud import clock, faults, journal
from localcloud.clock import CannotMove

LONGEST_POLL_SECONDS = 60.0

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Handler = Callable[..., dict[str, Any]]

_routes: list[tuple[str, re.Pattern[str], Handler]] = []


class NotThere(Exception):
    """The path names something that does not exist; answered with 404."""


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Let the decorated function answer `/_local/<path>`, whose `<name>` parts it gets by name.

    It also gets `query` and `body`, both dicts. A `ValueError` or `TypeError` is the caller's fault.
    """

    def decorate(handler: Handler) -> Handler:
        pattern = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", f"/_local/{path}"))
        _routes.append((method, pattern, handler))
        return handler

    return decorate


def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request of the control API; this is a WSGI application."""
    try:
        status, content = "200 OK", _handle(environ)
    except NotThere as error:
        status, content = "404 Not Found", {"error": str(error)}
    except (ValueError, TypeError) as error:
        status, content = "400 Bad Request", {"error": str(error)}
    except CannotMove as error:
        status, content = "500 Internal Server Error", {"error": str(error)}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(content).encode()]


def _handle(environ: dict[str, Any]) -> dict[str, Any]:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    body = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
    if not isinstance(body, dict):
        raise ValueError("The body must be a JSON object")
    for known_method, pattern, handler in _routes:
        found = pattern.fullmatch(path)
        if found and method == known_method:
            return handler(**found.groupdict(), query=query, body=body)
    known = ", ".join(f"{method} {pattern.pattern}" for method, pattern, _ in _routes)
    raise NotThere(f"{method} {path} is not part of the control API: {known}")


@route("GET", "health")
def _health(**_: Any) -> dict[str, Any]:
    return {"status": "ok"}


@route("GET", "journal")
def _journal(query: dict[str, str], **_: Any) -> dict[str, Any]:
    seconds = min(float(query.get("wait", 0)), LONGEST_POLL_SECONDS)
    return {"entries": journal.wait(int(query.get("after", 0)), seconds)}


@route("GET", "faults")
def _faults(**_: Any) -> dict[str, Any]:
    return {"faults": [fault.described() for fault in faults.active()]}


@route("POST", "faults")
def _inject(body: dict[str, Any], **_: Any) -> dict[str, Any]:
    return faults.inject(**body).described()


@route("DELETE", "faults")
def _clear_faults(**_: Any) -> dict[str, Any]:
    faults.clear()
    return {}


@route("DELETE", "faults/<identifier>")
def _remove_fault(identifier: str, **_: Any) -> dict[str, Any]:
    faults.remove(identifier)
    return {}


@route("GET", "clock")
def _clock(**_: Any) -> dict[str, Any]:
    return {"now": clock.now().isoformat()}


@route("POST", "clock")
def _forward(body: dict[str, Any], **_: Any) -> dict[str, Any]:
    seconds = body.get("forward_seconds")
    if not isinstance(seconds, int | float):
        raise ValueError("The clock needs `forward_seconds`, a number")
    return {"now": clock.forward(timedelta(seconds=seconds)).isoformat()}
