"""What a database holds, in words that PostgreSQL 15 and 18 agree on: the recorded schema is compared with this.

Read from the catalogues, because dumps differ between versions in their order, their comments and their view definitions.
"""

from __future__ import annotations

import re
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection

HEAD: Final = "-- The schema that the migrations add up to. Written by `make schema`, compared by a test, never run.\n"


class _SchemaPart(NamedTuple):
    """Lines of one kind for each object, in order: the object's name, then the line."""

    title: str
    query: LiteralString


_PARTS: Final = (
    _SchemaPart(
        "columns",
        """select c.relname, a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
               || case when a.attnotnull then ' not null' else '' end
               || case when a.attidentity <> '' then ' identity' else '' end
               || coalesce(case when a.attgenerated = '' then ' default ' else ' generated ' end
                           || pg_get_expr(d.adbin, d.adrelid), '')
           from pg_class c
           join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
           left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
           where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
           order by c.relname collate "C", a.attnum""",
    ),
    _SchemaPart(
        "storage",
        """select c.relname, 'with ' || array_to_string(c.reloptions, ', ')
           from pg_class c where c.relnamespace = 'public'::regnamespace and c.reloptions is not null and c.relkind <> 'i'
           order by c.relname collate "C" """,
    ),
    _SchemaPart(
        "constraints",
        """select c.relname, n.conname || ' ' || pg_get_constraintdef(n.oid)
           from pg_constraint n join pg_class c on c.oid = n.conrelid
           where n.connamespace = 'public'::regnamespace and n.contype not in ('n', 't')
           order by c.relname collate "C", n.conname collate "C" """,
    ),
    _SchemaPart(
        "indexes",
        """select c.relname, pg_get_indexdef(i.indexrelid)
           from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
           where c.relnamespace = 'public'::regnamespace
             and not exists (select from pg_constraint n where n.conindid = i.indexrelid and n.contype in ('p', 'u', 'x'))
           order by c.relname collate "C", x.relname collate "C" """,
    ),
    _SchemaPart(
        "triggers",
        """select c.relname, pg_get_triggerdef(t.oid) || case t.tgenabled when 'A' then ' -- always' when 'O' then ''
                                                           else ' -- ' || t.tgenabled::text end
           from pg_trigger t join pg_class c on c.oid = t.tgrelid
           where c.relnamespace = 'public'::regnamespace and not t.tgisinternal
           order by c.relname collate "C", t.tgname collate "C" """,
    ),
    _SchemaPart(
        "policies",
        """select c.relname, p.polname || case when p.polpermissive then '' else ' restrictive' end
               || coalesce(' to ' || (select string_agg(r.rolname, ', ' order by r.rolname collate "C") from pg_roles r
                                      where r.oid = any (p.polroles)), '')
               || ' using ' || pg_get_expr(p.polqual, p.polrelid) || coalesce(' check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
               || case when c.relrowsecurity then '' else ' -- off' end
           from pg_policy p join pg_class c on c.oid = p.polrelid
           where c.relnamespace = 'public'::regnamespace
           order by c.relname collate "C", p.polname collate "C" """,
    ),
    _SchemaPart(
        "views",
        """select c.relname, pg_get_viewdef(c.oid)
           from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('v', 'm')
           order by c.relname collate "C" """,
    ),
    _SchemaPart(
        "sequences",
        """select c.relname, format_type(s.seqtypid, null) || ' from ' || s.seqstart || ' to ' || s.seqmax || ' by ' || s.seqincrement
           from pg_sequence s join pg_class c on c.oid = s.seqrelid
           where c.relnamespace = 'public'::regnamespace
           order by c.relname collate "C" """,
    ),
    _SchemaPart(
        "functions",
        """select p.oid::regprocedure::text, pg_get_functiondef(p.oid)
           from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind <> 'a'
           order by p.oid::regprocedure::text collate "C" """,
    ),
    _SchemaPart(
        "aggregates",
        """select p.oid::regprocedure::text, a.aggtransfn || ' into ' || format_type(a.aggtranstype, null)
                  || coalesce(' from ' || a.agginitval, '')
           from pg_aggregate a join pg_proc p on p.oid = a.aggfnoid
           where p.pronamespace = 'public'::regnamespace
           order by p.oid::regprocedure::text collate "C" """,
    ),
    _SchemaPart(
        "rights",
        """select relname, line from (
               select c.relname, g.rolname || ': '
                   || string_agg(lower(a.privilege_type), ', ' order by a.privilege_type collate "C") as line
               from pg_class c, aclexplode(c.relacl) a, pg_roles g
               where c.relnamespace = 'public'::regnamespace and g.oid = a.grantee and a.grantee <> c.relowner
               group by c.relname, g.rolname
               union all
               select c.relname, g.rolname || ': ' || lower(a.privilege_type) || ' (' || d.attname || ')'
               from pg_class c join pg_attribute d on d.attrelid = c.oid, aclexplode(d.attacl) a, pg_roles g
               where c.relnamespace = 'public'::regnamespace and g.oid = a.grantee
               union all
               select c.relname, 'owner: ' || c.relowner::regrole from pg_class c
               where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')) r
           order by relname collate "C", line collate "C" """,
    ),
    _SchemaPart(
        "rights to run",
        """select p.oid::regprocedure::text, coalesce(g.rolname, 'public') || ': execute'
           from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
           left join pg_roles g on g.oid = a.grantee
           where p.pronamespace = 'public'::regnamespace and a.grantee <> p.proowner
           order by p.oid::regprocedure::text collate "C", coalesce(g.rolname, 'public') collate "C" """,
    ),
    _SchemaPart(
        "comments",
        """select name, said from (
               select c.relname || coalesce('.' || a.attname, '') as name, col_description(c.oid, a.attnum) as said
               from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
               where c.relnamespace = 'public'::regnamespace
               union all
               select c.relname, obj_description(c.oid, 'pg_class') from pg_class c
               where c.relnamespace = 'public'::regnamespace
               union all
               select p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc') from pg_proc p
               where p.pronamespace = 'public'::regnamespace) told
           where said is not null
           order by name collate "C", said collate "C" """,
    ),
)


def describe(conn: Connection[Any]) -> str:
    """The schema `public` as text: the same text means the same schema."""
    conn.execute("select set_config('search_path', 'public', true)")
    blocks = [HEAD]
    for part in _PARTS:
        rows = conn.execute(part.query).fetchall()
        tidy = _tidy_view if part.title == "views" else str
        blocks += [f"\n-- {part.title}\n", *(f"{name}: {tidy(line)}\n" for name, line in rows)]
    return "".join(blocks)


def _tidy_view(definition: str) -> str:
    """A view's query without what versions word differently: the table's name before a column, and spaces."""
    plain = re.sub(r'\b[a-z_][a-z0-9_]*\.(?=[a-z_"])', "", definition)
    return re.sub(r"\s+", " ", plain).strip()
