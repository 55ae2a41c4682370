"""Reading the world's files: every line into one shape, or rejected with its reason; broken files refused."""

from counterfoil.reconciliation.sources.amounts import Unreadable, parse_amount, scale_of
from counterfoil.reconciliation.sources.detecting import FORMATS, detect
from counterfoil.reconciliation.sources.dialects import Dialect, dialect
from counterfoil.reconciliation.sources.folders import FolderRead, load_folder
from counterfoil.reconciliation.sources.following import SequenceGap, follow_on
from counterfoil.reconciliation.sources.reading import read
from counterfoil.reconciliation.sources.shape import SCHEMA, RejectedRow, SourceBroken, SourceRead, StatementInfo

__all__ = [
    "FORMATS",
    "SCHEMA",
    "Dialect",
    "FolderRead",
    "RejectedRow",
    "SequenceGap",
    "SourceBroken",
    "SourceRead",
    "StatementInfo",
    "Unreadable",
    "detect",
    "dialect",
    "follow_on",
    "load_folder",
    "parse_amount",
    "read",
    "scale_of",
]
