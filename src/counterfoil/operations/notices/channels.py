"""Channels: where people are told, each by an address of Apprise. Only who sets up the installation enters one."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import structlog

from counterfoil.base.problems import InvalidInput, Problem

EXTRA: Final = "counterfoil[notices]"
LEVELS: Final = ("info", "warning", "critical")  # from the least to the gravest
OWNERS: Final = "owners"  # in place of a level: there nothing is told but to the owners of things, each at the address of their own
NO_RECIPIENT: Final = "of owners, a mailto:// or mailtos:// without recipients: each owner has an address of their own"
_MAIL: Final = ("mailto", "mailtos")
_RECIPIENTS: Final = frozenset({"to", "cc", "bcc"})
_NAME: Final = re.compile(r"([a-z][a-z0-9_-]{0,39})(?::([a-z]{1,20}))?")
_SECRET: Final = re.compile(r"[\w.~+-]{4,}")  # such a part of an address may be its token, its user or its password
_log = structlog.get_logger("counterfoil.notices")


class ChannelsNeedApprise(Problem, kind="invalid"):
    """A channel is set, and what sends notices is not installed."""

    todo = "Install counterfoil[notices], or take the setting away."


class NoticeDelivery(NamedTuple):
    """Did a channel take a notice, and if not, what it said."""

    taken: bool
    error: str | None = None


class Sends(Protocol):
    """What hands a notice to the other side."""

    def send(self, channel: str, *, level: str, title: str, body: str, recipient: str = "") -> NoticeDelivery:
        """Hand it over; never raises for what the other side does. `recipient`: the e-mail address of the owner whom it is for."""


class NoticeChannel(NamedTuple):
    """An address, which holds a secret, and the least level that is told there; `owners` where only owners of things are told."""

    address: str
    least: str = "info"


@dataclass(frozen=True)
class Channels:
    """Channels by their names. Nothing of an address is ever shown or logged: it holds the secret."""

    known: Mapping[str, NoticeChannel] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> list[str]:
        """The channels, by name."""
        return sorted(self.known)

    def taking(self, level: str) -> list[str]:
        """The channels on which this level is told, by name."""
        told = [name for name in self.names if self.known[name].least != OWNERS]
        return [name for name in told if LEVELS.index(level) >= LEVELS.index(self.known[name].least)]

    @property
    def of_owners(self) -> list[str]:
        """The channels by which owners of things are written to, by name."""
        return [name for name in self.names if self.known[name].least == OWNERS]

    def send(self, channel: str, *, level: str, title: str, body: str, recipient: str = "") -> NoticeDelivery:
        """Hand a notice to its channel. One that is no longer set is an error, not a success. A channel of owners without a recipient, as
        in a test, writes to its own sender."""
        found = self.known.get(channel)
        if found is None:
            return NoticeDelivery(False, f"the channel {channel} is not set here")
        if recipient and found.least != OWNERS:
            return NoticeDelivery(False, f"the channel {channel} is not one by which owners are written to")
        return _by_apprise(found.address, level, title, body, recipient)


def parse_channels(text: str, setting: str = "notice_channels") -> Channels:
    """`name=address` or `name:level=address`, with spaces or line ends between. Raises InvalidInput, which names the channel and never its
    address, and ChannelsNeedApprise."""
    found: dict[str, NoticeChannel] = {}
    for part in text.split():
        word, is_set, address = part.partition("=")
        given = _NAME.fullmatch(word)
        if given is None or not is_set or not address:
            raise InvalidInput(setting, "name=address, the name of small letters", got=_sayable(word))
        name, least = given[1], given[2] or LEVELS[0]
        if least not in (*LEVELS, OWNERS):
            raise InvalidInput(setting, f"name:level=address, the level one of {', '.join((*LEVELS, OWNERS))}", got=name)
        if name in found:
            raise InvalidInput(setting, "each name once", got=name)
        if _plugin(address) is None:
            raise InvalidInput(setting, "an address that Apprise knows, such as slack://, discord:// or mailtos://", got=name)
        if least == OWNERS and not _has_no_recipient(address):
            raise InvalidInput(setting, NO_RECIPIENT, got=name)
        found[name] = NoticeChannel(address, least)
    return Channels(found)


def _has_no_recipient(address: str) -> bool:
    """Is it an account that sends mail, with nobody named to whom?"""
    parts = urlsplit(address)
    asked = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return parts.scheme in _MAIL and not parts.path.strip("/") and not asked & _RECIPIENTS


def _sayable(word: str) -> str:
    """What may be said of something that should have been a name: an address without one is not shown."""
    return word[:40] if re.fullmatch(r"[\w:-]*", word) and len(word) < 20 else "…"


def _apprise() -> Any:
    """The library, which logs to nobody: it writes whole addresses. Raises ChannelsNeedApprise."""
    try:
        import apprise
    except ImportError as error:
        raise ChannelsNeedApprise(extra=EXTRA) from error
    log = logging.getLogger("apprise")
    log.propagate = False
    log.setLevel(logging.WARNING)  # whatever this process logs: why a notice was refused is told by a warning of the plugin
    return apprise


def _plugin(address: str) -> Any:
    """What sends to this address; None where Apprise does not know it. What is too long for the other side is sent in parts."""
    apprise = _apprise()
    # One after another, in our own thread: its pool of a few threads is shared, so that a channel which hangs would hold up all. It is
    # used for whatever has a time limit as a whole, too; each plugin has its limits for connecting and reading (`cto`, `rto`).
    asset = apprise.AppriseAsset(async_mode=False, service_timeout=0)
    made = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if made is not None and "overflow=" not in address:
        made.overflow_mode = apprise.OverflowMode.SPLIT  # Discord refuses a message of more than 2,000 characters
    return made


def _by_apprise(address: str, level: str, title: str, body: str, recipient: str) -> NoticeDelivery:
    apprise = _apprise()
    kinds = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING, "info": apprise.NotifyType.INFO}
    try:
        sender = apprise.Apprise()
        plugin = _plugin(_addressed(address, recipient))
        if recipient and [to for _, to in plugin.targets] != [recipient]:  # a recipient that it does not take would be its own sender
            return NoticeDelivery(False, "the owner's address is none that mail can be sent to")
        sender.add(plugin)
        # As text: what stands in a notice is no HTML of ours, and no Markdown.
        form = apprise.NotifyFormat.TEXT
        result = sender.notify(title=title, body=body, notify_type=kinds[level], body_format=form)
        said = [str(entry.message) for entry in result.logs()]
    except Exception as error:  # noqa: BLE001 - whatever a plugin does is the other side's failure
        _log.warning("a channel's plugin failed", error=type(error).__name__)
        return NoticeDelivery(False, type(error).__name__)
    if result:
        return NoticeDelivery(True)
    return NoticeDelivery(False, _without_secrets(said[-1] if said else "it was not taken", address))


def _addressed(address: str, recipient: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'to': recipient})}" if recipient else address


def _without_secrets(said: str, address: str) -> str:
    """What the plugin said, without any part of its address and without anything else that could be one."""
    scheme, _, rest = address.partition("://")
    parts = {one for text in (rest, unquote(rest)) for one in _SECRET.findall(text)} - {scheme}
    for one in sorted(parts, key=len, reverse=True):
        said = said.replace(one, "…")
    return re.sub(r"\S*://\S*|\S{25,}", "…", said.rpartition(" - ")[2])[:200]
