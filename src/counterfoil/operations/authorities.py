"""Whose certificates are believed when we call others. Read once for a process: it takes 40 ms, which each call to a provider or an
endpoint would spend anew.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx2


@cache
def authorities() -> ssl.SSLContext:
    """Those of the machine, for a connection of one request; as `http.client` would make them for each."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


@cache
def authorities_of_questions() -> ssl.SSLContext:
    """Those that the library brings which asks questions on connections that it keeps."""
    return httpx2.create_ssl_context(trust_env=False)
