"""What was posted by hand for an incident stands on its page with the proof that holds it, or with the word that there is none yet."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.integrity.incidents.post_mortem import post_mortem_of
from counterfoil.integrity.incidents.queries import corrections_of
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_session import logged_in
from tests.dashboard.test_states import words_of
from tests.proofs.builders import House, a_border


@pytest.fixture(scope="module")
def mended(server, tmp_path_factory):
    """An incident with a correction in a signed proof, and one of after that."""
    folder = tmp_path_factory.mktemp("corrections")
    with a_desk(server, folder) as desk:
        days.an_empty_day(desk)
        house, incident = House(desk, folder / "proofs"), make_id("inc")
        with desk.database.transaction() as conn:
            open_accounts(conn, PROGRAM, ["suspense", "bad_debt"], asset="EUR", actor="t", now=now())
            conn.execute(
                """insert into incident (id, program_id, level, code, title, opened_at, respond_by, state, state_at)
                   values (%s, %s, 'P2', 'X', 'Something', now(), now(), 'open', now())""",
                [incident, PROGRAM],
            )

        def corrected(key: str) -> None:
            lines = [("suspense", "bad_debt", 5)]
            with desk.database.transaction() as conn:
                told = {"kind": "correction", "asset": "EUR", "actor": "t", "narrative": key, "source": ("incident", incident)}
                post(conn, PROGRAM, key=key, lines=lines, now=now(), **told)

        corrected("early")
        border = a_border()
        proof = house.exported(house.start, border).id
        corrected("late")
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, house=house, url=url, incident=incident, proof=proof, border=border)


def told_of(mended) -> list[tuple[str, str | None, str]]:
    with mended.desk.database.transaction() as conn:
        return [(one.key, one.proof_id, one.proof) for one in corrections_of(conn, mended.incident, rows_max=9)]


def test_each_names_the_proof_that_holds_it_or_says_that_there_is_none(mended):
    assert told_of(mended) == [("early", mended.proof, "waiting"), ("late", None, "none")]
    client = logged_in(mended.url, mended.desk, role="auditor")
    page = client.get(f"/admin/incidents/{mended.incident}").text
    early, late = (row for row in page.split("<tr>") if 'data-l="Proof"' in row)
    assert mended.proof in early
    assert ">waiting<" in early
    assert ">none<" in late
    with mended.desk.database.transaction() as conn:
        document = post_mortem_of(conn, mended.incident, now=now())
    assert f"posted (in proof {mended.proof}, waiting) by t: early" in document
    assert "posted (in no proof yet) by t: late" in document


def test_who_sees_one_program_is_not_told_that_there_is_no_proof(mended):
    mine = logged_in(mended.url, mended.desk, name="nora", program_id=PROGRAM, role="auditor")
    words = words_of(mine.get(f"/admin/incidents/{mended.incident}").text)
    assert "not_shown" in words or "not shown" in words
    assert mended.proof not in words


def test_it_says_when_the_proof_is_signed_and_when_the_next_one_holds_the_rest(mended):
    mended.house.sign(mended.proof, mended.house.ann, mended.house.otto)
    assert told_of(mended) == [("early", mended.proof, "signed"), ("late", None, "none")]
    after = mended.house.exported(mended.border, a_border()).id
    assert told_of(mended)[1] == ("late", after, "waiting")
