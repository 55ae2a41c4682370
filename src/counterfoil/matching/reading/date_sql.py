"""Dates and moments of a source as SQL: by the rule set's formats, and ISO 8601 wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.reading.expressions import Keep, SqlValue, keeper
from counterfoil.matching.rules.model import Source


def dates_of(source: Source, known: Mapping[str, str], types: Mapping[str, str], reads: dict[str, str]) -> dict[str, SqlValue]:
    """The dates that a source gives, as dates, and the moment as a timestamp."""
    found = {}
    for name in ("booked_on", "value_on", "event_at"):
        if name in known:
            read = _moment if name == "event_at" else date_sql
            found[name] = read(source, known[name], types[source.columns[name]], keeper(reads, name))
    return found


def date_sql(source: Source, column: str, kind: str, keep: Keep) -> SqlValue:
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return SqlValue(f"cast({column} as date)", "")
    plain = f"cast({column} as varchar)"
    text = f"trim({plain})"
    tries = [f"cast({_tried(text, form)} as date)" for form in source.dates.formats]
    # ten characters are a day and nothing else; of what is longer the rest must not count, or 20226-01-05 would be a year
    iso = f"case when strlen({plain}) = 10 then try_cast({plain} as date) else try_cast(substr({text}, 1, 10) as date) end"
    if tries and not any(form.startswith("%Y-") for form in source.dates.formats):
        tries.append(f"case when regexp_matches({text}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T +Z-]|$)') then {iso} end")
    value = keep(f"coalesce({', '.join(tries)})" if tries else iso)
    return SqlValue(value, f"{value} is null and {column} is not null and {text} <> ''")


def _tried(text: str, form: str) -> str:
    """The day by one format; a time of day behind it is allowed, as the readers allow it."""
    if "%H" in form or "%I" in form:
        return f"try_strptime({text}, {literal(form)})"
    return f"try_strptime(regexp_replace({text}, '[T\\s]+[0-9]{{1,2}}:[0-9]{{2}}.*$', ''), {literal(form)})"


def _moment(source: Source, column: str, kind: str, keep: Keep) -> SqlValue:
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return SqlValue(f"cast({column} as timestamp)", "")
    text = f"trim(cast({column} as varchar))"
    tries = [f"try_strptime({text}, {literal(form)})" for form in source.dates.formats]
    read = f"coalesce({', '.join(tries)})" if tries else f"cast(try_cast({text} as timestamptz) as timestamp)"
    value = keep(read)
    return SqlValue(value, f"{value} is null and {column} is not null and {text} <> ''")
