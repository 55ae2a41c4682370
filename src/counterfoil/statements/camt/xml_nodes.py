"""XML as a stream of small trees with line numbers. Document types, entities and outside references are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.sax import SAXException, SAXParseException  # nosec - types only; the parser is defusedxml's
from xml.sax.handler import ContentHandler

from defusedxml import sax as safe_sax
from defusedxml.common import DefusedXmlException

from counterfoil.base.problems import TooLarge
from counterfoil.statements.shape import LINE_CHARS_MAX, SourceBroken

DEPTH_MAX: Final = 64
NO_ATTRIBUTES: Final[Mapping[str, str]] = {}
NODES_MAX: Final = 4_000_000  # held at one time: one entry with all its details


@dataclass(slots=True, eq=False)
class Node:
    """An element by its local name: namespaces and versions fall away."""

    name: str
    line: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def find(self, *names: str) -> Node | None:
        """The first element down this path of names."""
        node = self
        for name in names:
            for child in node.children:
                if child.name == name:
                    node = child
                    break
            else:
                return None
        return node

    def all(self, name: str) -> Iterator[Node]:
        """Children of this name, in order."""
        return (child for child in self.children if child.name == name)

    def deep(self, name: str) -> Iterator[Node]:
        """Elements of this name at any depth, in order."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.deep(name)

    def value(self, *names: str) -> str | None:
        """The text at this path; None where it is missing or blank."""
        node = self.find(*names)
        return (node.text.strip() or None) if node else None

    def as_record(self, without: str = "") -> Any:
        """The element as nested dictionaries, as it came; repeated names become lists."""
        if not self.children:
            attributes = {"@" + name: value for name, value in self.attributes.items()}
            return {**attributes, "#": self.text.strip()} if attributes else self.text.strip()
        record: dict[str, Any] = {}
        for child in self.children:
            if child.name == without:
                continue
            shown = child.as_record()
            if child.name not in record:
                record[child.name] = shown
            elif isinstance(record[child.name], list):
                record[child.name].append(shown)
            else:
                record[child.name] = [record[child.name], shown]
        return record


AtEnd = Callable[[Node, Node | None], None]


class _Handler(ContentHandler):
    """Builds nodes; hands over those that are asked for when they end, and forgets the ones named in `drop`."""

    def __init__(self, file: str, at_end: Mapping[str, AtEnd], drop: frozenset[str]) -> None:
        super().__init__()
        self.file, self.at_end, self.drop = file, at_end, drop
        self.stack: list[Node] = []
        self.held_before: list[int] = []
        self.held = 0
        self.where: Any = None

    def setDocumentLocator(self, locator: Any) -> None:  # noqa: N802 - the name that SAX calls
        self.where = locator

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802 - the name that SAX calls
        if len(self.stack) >= DEPTH_MAX:
            raise SourceBroken(self.file, self.where.getLineNumber(), name, f"elements are nested deeper than {DEPTH_MAX}")
        self.held_before.append(self.held)
        self.held += 1
        if self.held > NODES_MAX:
            raise TooLarge(file=self.file, elements_max=NODES_MAX)
        names = attrs.getNames()
        attributes = {key.rpartition(":")[2]: attrs.getValue(key) for key in names} if names else NO_ATTRIBUTES
        node = Node(name.rpartition(":")[2], self.where.getLineNumber() or 0, attributes)
        if self.stack:
            self.stack[-1].children.append(node)
        self.stack.append(node)

    def characters(self, content: str) -> None:
        if self.stack:
            node = self.stack[-1]
            node.text += content
            if len(node.text) > LINE_CHARS_MAX:
                raise SourceBroken(self.file, node.line, node.name, f"the text is longer than {LINE_CHARS_MAX} characters")

    def endElement(self, name: str) -> None:  # noqa: N802, ARG002 - the name and shape that SAX calls
        node, held_before = self.stack.pop(), self.held_before.pop()
        parent = self.stack[-1] if self.stack else None
        handle = self.at_end.get(node.name)
        if handle:
            handle(node, parent)
        if node.name in self.drop and parent:
            parent.children.pop()
            self.held = held_before


def walk(path: Path, at_end: Mapping[str, AtEnd], *, drop: frozenset[str]) -> None:
    """Read the file once; call `at_end[name]` with each finished element of that name and its parent. Raises SourceBroken.

    Elements named in `drop` are forgotten after their call, so that a file of any length is read in the memory of one entry.
    """
    handler = _Handler(path.name, at_end, drop)
    with path.open("rb") as file:
        _parse(path.name, file, handler)


def _parse(name: str, file: BinaryIO, handler: _Handler) -> None:
    try:
        safe_sax.parse(file, handler, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except SAXParseException as fault:
        reason = f"this is no complete XML: {fault.getMessage()}"
        raise SourceBroken(name, fault.getLineNumber(), str(fault.getColumnNumber()), reason) from None
    except DefusedXmlException as fault:
        reason = f"document types and entities are refused ({type(fault).__name__})"
        raise SourceBroken(name, _line(handler), None, reason) from None
    except (SAXException, UnicodeError, LookupError, ValueError) as fault:
        raise SourceBroken(name, _line(handler), None, f"this is no XML that can be read: {fault}") from None


def _line(handler: _Handler) -> int | None:
    line = handler.where.getLineNumber() if handler.where else None
    return line if isinstance(line, int) else None
