"""Requests that may safely be sent again are: reads, and writes under their Idempotency-Key."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import httpx2

from counterfoil.client.problems import ApiProblem, Unreachable

Json = dict[str, Any]
AGAIN_AFTER_S: Final = (0.1, 0.3, 1.0)  # then it is given up, within three seconds where nobody listens
AT_WORK_S: Final = 1.0  # between questions while the server says that it is at work on the first try, and for how long in all
AT_WORK_MAX_S: Final = 300
CONNECT_S: Final = 2.5  # an address that swallows packets
PATH_MAX: Final = 2_000
GOT_MAX: Final = 80
WHOLE: Final = "what can stand in an address: letters that are whole, no part that leads elsewhere"
AGAIN_AT: Final = frozenset({502, 503, 504})
AWAY: Final = "DatabaseAway"  # the server has waited for its database before it says so
IN_FLIGHT: Final = "KeyInFlight"  # the first try of the same request is still being worked on


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Whose certificates we believe. Read once: it takes 40 ms, for a server on this machine as well."""
    return httpx2.create_ssl_context(trust_env=False)


class Transport:
    """One server, one key."""

    def __init__(self, url: str, api_key: str | None, *, timeout_s: float = 30.0, sleep: Callable[[float], None] = time.sleep) -> None:
        """`url` without a path; `timeout_s` is patience with one answer."""
        headers = {"User-Agent": "counterfoil-client"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self.url = url.rstrip("/")
        self._sleep = sleep
        self._http = httpx2.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx2.Timeout(timeout_s, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
            verify=trusted_authorities(),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **params: Any) -> Json:
        """Read. Parameters that are None are left out. Raises ApiProblem, Unreachable."""
        return self._ask("GET", path, params=_given(params))

    def post(
        self,
        path: str,
        body: Json | None = None,
        *,
        key: str | None = None,
        dry_run: bool = False,
        content: bytes | None = None,
        content_type: str = "text/csv",
        **params: Any,
    ) -> Json:
        """Write, once, under `key` or a new one: a lost answer is asked for again with the same key."""
        headers = {"Idempotency-Key": key or f"cli-{uuid.uuid4()}"}
        if dry_run:
            headers["Dry-Run"] = "true"
        if content is not None:
            headers["Content-Type"] = content_type
            return self._ask("POST", path, params=_given(params), headers=headers, content=content)
        return self._ask("POST", path, params=_given(params), headers=headers, json=body)

    def download(self, path: str, **params: Any) -> bytes:
        """Read a file. Parameters that are None are left out. Raises ApiProblem, Unreachable."""
        response = self._response("GET", path, params=_given(params))
        if not response.is_success:
            _answer(response)
        return response.content

    def fetch(self, path: str) -> bytes:
        """Have a file given out, which is written down on the other side. Raises ApiProblem, Unreachable."""
        response = self._response("POST", path)
        if not response.is_success:
            _answer(response)
        return response.content

    def _ask(self, method: str, path: str, **more: Any) -> Json:
        return _answer(self._response(method, path, **more))

    def _response(self, method: str, path: str, **more: Any) -> httpx2.Response:
        _refuse_other_paths(path)
        waits, at_work = iter(AGAIN_AFTER_S), int(AT_WORK_MAX_S / AT_WORK_S)
        while True:
            try:
                response = self._http.request(method, path, **more)
            except (httpx2.InvalidURL, UnicodeError) as error:  # longer than any address, or half a letter
                raise _invalid(str(error)) from error
            except httpx2.HTTPError as error:
                wait = next(waits, None)
                if wait is None or isinstance(error, httpx2.ConnectTimeout):
                    raise Unreachable(f"{self.url} does not answer: {type(error).__name__}") from error
            else:
                # The first try took longer than our patience with one answer, and goes on: what it leads to is asked for until it is there.
                wait = AT_WORK_S if at_work and _is_at_work(response) else next(waits, None) if _again(response) else None
                at_work -= _is_at_work(response)
                if wait is None:
                    return response
            self._sleep(wait)


def part_of_path(text: str) -> str:
    """A text that may hold anything as one part of a path. Raises ApiProblem for half a letter."""
    try:
        return quote(text, safe="")
    except UnicodeError as error:
        raise _invalid(str(error)) from error


def _refuse_other_paths(path: str) -> None:
    """An id that somebody typed is a part of a path, and leads to no other path. Raises ApiProblem."""
    parts = path.split("/")[1:]
    if "" in parts:
        raise _invalid(path, "an id in each place of the address; one of them is empty")
    if not path.isprintable() or len(path) > PATH_MAX or set("?#\\") & set(path) or {".", ".."} & set(parts):
        raise _invalid(f"{len(path)} characters" if len(path) > PATH_MAX else path)


def _invalid(got: str, limit: str = WHOLE) -> ApiProblem:
    """What no server was asked, told as a server tells it."""
    said = {"type": "/problems/InvalidInput", "title": "Invalid value for what is asked about.", "kind": "invalid"}
    return ApiProblem({**said, "limit": limit, "got": "".join(one if one.isprintable() else "?" for one in got)[:GOT_MAX]}, 422)


def _again(response: httpx2.Response) -> bool:
    return response.status_code in AGAIN_AT and not _is(response, AWAY)


def _is_at_work(response: httpx2.Response) -> bool:
    return response.status_code == 409 and _is(response, IN_FLIGHT)


def _is(response: httpx2.Response, problem: str) -> bool:
    return str(_object(response).get("type", "")).endswith(f"/{problem}")


def _answer(response: httpx2.Response) -> Json:
    body = _object(response)
    if response.is_success:
        return body
    raise ApiProblem(body, response.status_code)


def _object(response: httpx2.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {"data": body}


def _given(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in params.items() if value is not None}


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
