"""Reading the world's files: every line into one shape, or rejected with its reason; broken files refused."""

from counterfoil.base.formats.currencies import scale_of
from counterfoil.statements.amounts import Unreadable, parse_amount
from counterfoil.statements.continuity.folders import FolderRead, load_folder
from counterfoil.statements.continuity.following import SequenceGap, follow_on
from counterfoil.statements.detecting import FORMATS, detect
from counterfoil.statements.reading import read
from counterfoil.statements.shape import TABLES, RejectedRow, SourceBroken, SourceRead, StatementInfo, has_moved, schema
from counterfoil.statements.tables.delimited import cut_short
from counterfoil.statements.tables.dialects import Dialect, dialect

__all__ = [
    "FORMATS",
    "TABLES",
    "Dialect",
    "FolderRead",
    "RejectedRow",
    "SequenceGap",
    "SourceBroken",
    "SourceRead",
    "StatementInfo",
    "Unreadable",
    "cut_short",
    "detect",
    "dialect",
    "follow_on",
    "has_moved",
    "load_folder",
    "parse_amount",
    "read",
    "scale_of",
    "schema",
]
