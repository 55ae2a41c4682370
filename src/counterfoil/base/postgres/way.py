"""The way to the database: who stands on it reads nothing, and answers in nobody's place."""

from __future__ import annotations

from typing import Final

from psycopg.conninfo import conninfo_to_dict

HERE: Final = ("localhost", "127.0.0.1", "::1")


def leaves_this_machine(host: str) -> bool:
    """Is it neither a socket nor this machine's own address?"""
    return bool(host) and not host.startswith(("/", "@")) and host not in HERE


def may_be_read(url: str) -> bool:
    """Could somebody on the way read it, or answer in its place? Not on this machine, nor where its certificate is checked."""
    given = conninfo_to_dict(url)
    hosts = str(given.get("hostaddr") or given.get("host") or "").split(",")
    return any(leaves_this_machine(one) for one in hosts) and given.get("sslmode") != "verify-full"
