"""WattTime's data API, version 3: log in, the history and the forecast of a region's marginal intensity, and the region of a place.

Numbers of its JSON become decimals as they are written, never floats. Source: docs.watttime.org.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import httpx2

from counterfoil.base.problems import Problem
from counterfoil.operations.authorities import authorities_of_questions
from counterfoil.treasury.carbon.rules import IntensityPoint

URL: Final = "https://api.watttime.org"
SIGNAL: Final = "co2_moer"
UNITS: Final = "lbs_co2_per_mwh"
TOKEN_LIFE_S: Final = 25 * 60.0  # it is good for 30 minutes
REST_S: Final = 0.1  # between two requests: 3,000 in 5 minutes are allowed
TRIES: Final = 4
WAIT_MAX_S: Final = 60.0
VALUE_MAX: Final = 100_000
POINTS_MAX: Final = 20_000
HORIZON_HOURS_MAX: Final = 72


class CarbonSourceAway(Problem, kind="busy"):
    """The source of carbon figures does not answer now."""


class CarbonSourceRefuses(Problem):
    """The source of carbon figures does not answer this: the login, the plan, the region or the time."""


class CarbonLoginRefused(CarbonSourceRefuses):
    """The source of carbon figures does not let us in: see watttime_username and watttime_password."""


class CarbonSourceMisread(Problem):
    """The source of carbon figures answered something that is not as it is documented, so nothing of it is used."""


class GridRegion(NamedTuple):
    """The grid region of a place."""

    region: str
    name: str


class IntensityHistory(NamedTuple):
    """Intensities of a region, by time, and of which model."""

    points: list[IntensityPoint]
    model: str | None


class Forecast(NamedTuple):
    """Intensities to come, as the source saw them at `generated_at`."""

    region: str
    generated_at: datetime | None
    points: list[IntensityPoint]


class WattTime:
    """One account at WattTime; safe to use from several threads."""

    name = "watttime"

    def __init__(
        self,
        username: str,
        password: str,
        *,
        url: str = URL,
        timeout_s: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sleep` and `monotonic`: how it waits between requests and tries."""
        self._http = httpx2.Client(base_url=url, timeout=timeout_s, trust_env=False, verify=authorities_of_questions())
        self._login = httpx2.BasicAuth(username, password)
        self._sleep, self._monotonic = sleep, monotonic
        self._lock = threading.Lock()
        self._token, self._token_until, self._next_at = "", 0.0, 0.0

    def region(self, latitude: str, longitude: str) -> GridRegion:
        """The region that a place lies in. Raises CarbonSourceAway, CarbonSourceRefuses, CarbonSourceMisread."""
        told = self._get("/v3/region-from-loc", {"latitude": latitude, "longitude": longitude, "signal_type": SIGNAL})
        try:
            return GridRegion(str(told["region"]), str(told["region_full_name"]))
        except (KeyError, TypeError) as error:
            raise _misread("no region") from error

    def historical(self, region: str, start: datetime, end: datetime) -> IntensityHistory:
        """Intensities from `start` up to and without `end`; the source takes at most 32 days at once. Raises as `region`."""
        given = {"region": region, "signal_type": SIGNAL, "start": _instant(start), "end": _instant(end)}
        told = self._get("/v3/historical", given)
        points = [one for one in _points(told, region) if start <= one.at < end]  # the source's end is inclusive
        return IntensityHistory(points, _model(told))

    def forecast(self, region: str, *, hours: int = 24) -> Forecast:
        """The newest forecast for so many hours, at most 72. Raises as `region`."""
        told = self._get("/v3/forecast", {"region": region, "signal_type": SIGNAL, "horizon_hours": str(hours)})
        generated = told["meta"].get("generated_at") if isinstance(told.get("meta"), dict) else None
        return Forecast(region, None if generated is None else _moment(generated), _points(told, region))

    def _get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        said = ""
        renewed = False
        attempt = 0
        while attempt < TRIES:
            try:
                reply = self._ask(path, params, auth=None)
            except httpx2.HTTPError as error:
                said, wait = type(error).__name__, 2.0**attempt
            else:
                if reply.status_code == 401 and not renewed:  # the token ended before its time
                    self._forget_token()
                    renewed = True
                    continue
                if reply.status_code == 200:
                    return _object(reply)
                wait = _wait_of(reply, attempt)
                said = f"{reply.status_code}: {reply.text[:200]}"
            attempt += 1
            if attempt < TRIES:
                self._sleep(wait)
        raise CarbonSourceAway(source=self.name, tries=str(TRIES), said=said)

    def _ask(self, path: str, params: Mapping[str, str], *, auth: Any) -> httpx2.Response:
        token = self._bearer() if auth is None else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pace()
        return self._http.get(path, params=dict(params), headers=headers, **({"auth": auth} if auth else {}))

    def _pace(self) -> None:
        """Never faster than the source allows."""
        with self._lock:
            now = self._monotonic()
            wait = self._next_at - now
            self._next_at = max(self._next_at, now) + REST_S
        if wait > 0:
            self._sleep(wait)

    def _bearer(self) -> str:
        with self._lock:
            if self._monotonic() < self._token_until:
                return self._token
        reply = self._ask("/login", {}, auth=self._login)
        if reply.status_code in (401, 403):
            raise CarbonLoginRefused(source=self.name, said="the login is refused: see watttime_username and watttime_password")
        if reply.status_code != 200:
            raise httpx2.HTTPStatusError(f"login {reply.status_code}", request=reply.request, response=reply)
        token = _object(reply).get("token")
        if not isinstance(token, str) or not token:
            raise _misread("a login without a token")
        with self._lock:
            self._token, self._token_until = token, self._monotonic() + TOKEN_LIFE_S
        return token

    def _forget_token(self) -> None:
        with self._lock:
            self._token_until = 0.0


def _wait_of(reply: httpx2.Response, attempt: int) -> float:
    """How long to wait before the next try. Raises CarbonSourceRefuses where none helps."""
    if reply.status_code == 429:
        told = reply.headers.get("retry-after", "")
        return min(WAIT_MAX_S, int(told)) if told.isdigit() else 2.0**attempt
    if reply.status_code >= 500:
        return 2.0**attempt
    raise CarbonSourceRefuses(source=WattTime.name, said=f"{reply.status_code}: {reply.text[:200]}")


def _misread(why: str) -> CarbonSourceMisread:
    return CarbonSourceMisread(source=WattTime.name, why=why)


def _object(reply: httpx2.Response) -> dict[str, Any]:
    try:
        told = json.loads(reply.content, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _misread("no JSON") from error
    if not isinstance(told, dict):
        raise _misread("no JSON object")
    return told


def _no_number(text: str) -> None:
    raise ValueError(text)


def _points(told: dict[str, Any], region: str) -> list[IntensityPoint]:
    """What was told of a region, by time; of the wrong region, signal or unit it is nothing."""
    try:
        meta = told["meta"]
        found = (meta["region"], meta["signal_type"], meta["units"])
        if found != (region, SIGNAL, UNITS):
            raise _misread(f"{found} instead of {(region, SIGNAL, UNITS)}")
        period = timedelta(seconds=int(meta["data_point_period_seconds"]))
        points = sorted(IntensityPoint(_moment(one["point_time"]), period, _value(one["value"])) for one in told["data"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise _misread(f"{type(error).__name__} in its points") from error
    if not timedelta() < period <= timedelta(days=1) or len(points) > POINTS_MAX:
        raise _misread(f"{len(points)} points of {period}")
    if len({one.at for one in points}) < len(points):
        raise _misread("two figures of one moment")
    return points


def _value(given: object) -> Decimal:
    if not isinstance(given, Decimal) or not 0 <= given <= VALUE_MAX:
        raise _misread(f"an intensity that is no number from 0 to {VALUE_MAX}")
    return given


def _moment(given: object) -> datetime:
    at = datetime.fromisoformat(str(given))
    if at.tzinfo is None:
        raise ValueError("without a time zone")
    return at.astimezone(UTC)


def _model(told: dict[str, Any]) -> str | None:
    model = told["meta"].get("model")
    return str(model["date"])[:40] if isinstance(model, dict) and model.get("date") else None


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
