"""Commits that nobody hears of: in short here, at length by `make cuts`."""

from __future__ import annotations

import re

import psycopg
import pytest

from counterfoil.base.edge import Database
from tests.chaos import cuts
from tests.chaos.wire import Cut, Wire


def test_commits_that_nobody_hears_of_lose_and_double_nothing_and_no_answer_is_untrue(capsys: pytest.CaptureFixture[str]):
    assert cuts.main(["--cuts", "16"]) == 0
    told = capsys.readouterr().out
    assert told.rstrip().endswith("lost 0, doubled 0, differences 0")
    hit = {
        (cut, who): int(count)
        for count, cut, who in re.findall(r"^ +(\d+)  (\w+) the commit, counterfoil-(server|worker)", told, re.MULTILINE)
    }
    assert set(hit) == {(cut, who) for cut in ("after", "before") for who in ("server", "worker")}


@pytest.mark.parametrize(("cut", "lands"), [("after", 1), ("before", 0)])
def test_the_wire_cuts_at_a_commit_of_something_written_and_at_no_other(database: Database, cut: Cut, lands: int):
    with psycopg.connect(database.url, autocommit=True) as beside:
        beside.execute("create table written (number bigint)")
        with Wire(lambda: database.url) as wire:
            through = f"host=127.0.0.1 port={wire.port} sslmode=disable gssencmode=disable application_name=one"
            address = psycopg.conninfo.make_conninfo(database.url, **psycopg.conninfo.conninfo_to_dict(through))
            with psycopg.connect(address) as other:
                wire.arm(cut, "another")
                other.execute("insert into written values (0)")
                other.commit()
            with psycopg.connect(address) as conn:
                wire.arm(cut, "one")
                conn.execute("select 1")
                conn.commit()
                assert wire.armed(), "it had nothing to write"
                conn.execute("insert into written values (1)")
                with pytest.raises(psycopg.OperationalError):
                    conn.commit()
            assert dict(wire.cuts) == {(cut, "one"): 1}
        assert beside.execute("select count(*) from written where number = 1").fetchone() == (lands,)
