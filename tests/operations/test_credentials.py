"""The password of the database's login is changed while everything runs: no call is refused, and no step can be stopped in a way that locks
anybody out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from counterfoil.base.edge import Database, now, set_up
from counterfoil.base.postgres.dumping import dumping
from counterfoil.base.postgres.passwords import FileConnection, lines_of, passwords_of
from counterfoil.operations.credentials import (
    MONITORS,
    NotTheServersLogin,
    PasswordFileRefused,
    PasswordNotAsked,
    PasswordNotInFile,
    note_login,
    prepare,
    rotate,
    standing,
)
from counterfoil.operations.work.worker import listen
from tests.passwords import ASKED, FIRST, Kept, login_with_password
from tests.points import at_points
from tests.waiting import at_once


class Stopped(Exception):
    """In place of a kill: what this process would have done next is not done."""


@pytest.fixture
def kept(make_database_url: Callable[..., str], tmp_path: Path) -> Iterator[Kept]:
    with login_with_password(make_database_url(), tmp_path) as made:
        yield made


def lets_in(kept: Kept, password: str) -> bool:
    try:
        psycopg.connect(kept.url, password=password).close()
    except psycopg.OperationalError:
        return False
    return True


def told(kept: Kept) -> list[Any]:
    with psycopg.connect(kept.admin) as conn:
        statement = "select name, payload ->> 'by' from event where subject_id = %s order by at"
        return conn.execute(statement, [f"login:{kept.login}"]).fetchall()


def test_the_password_changes_and_the_old_one_lets_nobody_in(kept: Kept) -> None:
    assert lets_in(kept, FIRST)
    done = rotate(kept.url, actor="local:anna", wait_s=5)
    (new,) = passwords_of(kept.url)
    assert (done.login, done.resumed, done.left) == (kept.login, False, [])
    assert (lets_in(kept, FIRST), lets_in(kept, new)) == (False, True)
    assert [line.text for line in lines_of(kept.file)][:2] == ["# ours", "*:*:*:somebody:else"], "other lines stay, in their order"
    assert told(kept) == [("database_password_rotated", "local:anna")]
    assert standing(kept.url)._replace(resumed=False) == done
    assert len(new) >= 43


def test_what_the_server_logs_is_not_the_password(kept: Kept) -> None:
    with psycopg.connect(kept.admin, autocommit=True) as conn:
        conn.execute(sql.SQL("alter role {} set log_statement = 'all'").format(sql.Identifier(kept.login)))
        row = conn.execute("select pg_current_logfile(), current_setting('data_directory')").fetchone()
    rotate(kept.url, actor="t", wait_s=5)
    (new,) = passwords_of(kept.url)
    assert row is not None
    logs = [row[1] + "/" + row[0]] if row[0] else [str(Path(row[1]).parent / "postgres.log")]
    text = "".join(Path(one).read_text(errors="replace") for one in logs)
    assert "alter role" in text
    assert "SCRAM-SHA-256$" in text
    assert new not in text


def test_nobody_is_refused_while_it_changes_three_times_under_load(kept: Kept) -> None:
    database = Database(kept.url, connections_max=6).open()
    refused: list[BaseException] = []
    calls = [0] * 6
    ending = threading.Event()

    def works(place: int) -> None:
        while not ending.is_set():
            try:
                with database.transaction() as conn:
                    conn.execute("select pg_sleep(0.002)")
                with FileConnection.connect(kept.url) as fresh:
                    fresh.execute("select 1")
                calls[place] += 1
            except BaseException as error:  # noqa: BLE001 - any at all would be the fault
                refused.append(error)

    threads = [threading.Thread(target=works, args=(place,)) for place in range(len(calls))]
    threads.append(threading.Thread(target=listen, args=(kept.url, lambda _: None, ending), kwargs={"queues": ["events"]}))
    for thread in threads:
        thread.start()
    try:
        passwords = []
        for _ in range(3):
            before = sum(calls)
            done = rotate(kept.url, actor="t", wait_s=20)
            assert done.left == [], "the pool and the listener took new connections by themselves"
            assert sum(calls) > before, "there was work meanwhile"
            passwords += passwords_of(kept.url)
    finally:
        ending.set()
        for thread in threads:
            thread.join()
        database.close()
    assert refused == []
    assert len(set(passwords)) == 3


@pytest.mark.parametrize("point", ["after_password_prepared", "before_password_kept_alone"])
def test_stopped_at_any_step_everybody_still_connects_and_the_next_run_goes_on(kept: Kept, point: str) -> None:
    reached = []

    def hook(at: str) -> None:
        if at == point:
            reached.append(at)
            raise Stopped

    with at_points(hook), pytest.raises(Stopped):
        rotate(kept.url, actor="t", wait_s=5)
    assert reached == [point]
    first, second = passwords_of(kept.url)
    altered = point == "before_password_kept_alone"
    assert (lets_in(kept, first), lets_in(kept, second)) == (not altered, altered)
    with FileConnection.connect(kept.url) as conn:
        assert conn.execute("select 1").fetchone() == (1,)
    dump = dumping(Path("/bin"), kept.url, role="r", snapshot="s")
    assert dump.environment["PGPASSWORD"] == (second if altered else first), "pg_dump tries one alone"
    done = rotate(kept.url, actor="t", wait_s=5)
    assert (done.resumed, done.left) == (altered, [])
    assert passwords_of(kept.url) == [second]
    assert len(told(kept)) == 1


def test_a_password_that_was_prepared_for_other_machines_is_the_one_that_is_taken(kept: Kept) -> None:
    prepare(kept.url)
    prepare(kept.url)
    first, second = passwords_of(kept.url)
    assert first == FIRST
    elsewhere = kept.file.with_name("on another machine")
    elsewhere.write_bytes(kept.file.read_bytes())
    elsewhere.chmod(0o600)
    rotate(kept.url, actor="t", wait_s=5)
    assert passwords_of(kept.url) == [second]
    with FileConnection.connect(kept.url.replace(str(kept.file), str(elsewhere).replace(" ", "%20"))) as conn:
        assert conn.execute("select 1").fetchone() == (1,), "a machine that has both lines goes on"


def test_a_connection_that_does_not_end_is_named_and_can_be_ended(kept: Kept) -> None:
    with psycopg.connect(kept.url, password=FIRST, application_name="an old report") as held:
        held.execute("select 1")
        done = rotate(kept.url, actor="t", wait_s=0)
        assert [(one.application, one.state) for one in done.left] == [("an old report", "idle in transaction")]
        assert [one.application for one in standing(kept.url).left] == ["an old report"]
        again = rotate(kept.url, actor="t", wait_s=0, ends=True)
        assert again.left == []
        with pytest.raises(psycopg.OperationalError):
            held.execute("select 1")


def test_two_that_change_it_at_once_come_one_after_the_other_and_lock_nobody_out(kept: Kept) -> None:
    failed: list[BaseException] = []

    def changes() -> None:
        try:
            rotate(kept.url, actor="t", wait_s=0)
        except BaseException as error:  # noqa: BLE001 - any at all would be the fault
            failed.append(error)

    at_once(changes, 3)
    (last,) = passwords_of(kept.url)
    assert (failed, lets_in(kept, last), len(told(kept))) == ([], True, 3)


def test_two_machines_that_change_it_at_once_do_not_overwrite_each_other(kept: Kept) -> None:
    elsewhere = kept.file.with_name("elsewhere")
    elsewhere.write_bytes(kept.file.read_bytes())
    elsewhere.chmod(0o600)
    done = []

    def other_is_faster(at: str) -> None:
        if at == "after_password_prepared" and not done:
            done.append(at)
            rotate(kept.url.replace(str(kept.file), str(elsewhere)), actor="t", wait_s=0)

    with at_points(other_is_faster), pytest.raises(PasswordFileRefused):
        rotate(kept.url, actor="t", wait_s=0)
    assert len(told(kept)) == 1
    assert lets_in(kept, lines_of(elsewhere)[2].password)


def test_a_line_for_any_login_is_not_taken_for_the_next_password(kept: Kept) -> None:
    kept.file.write_text(f"*:*:*:{kept.login}:{FIRST}\n*:*:*:*:of others\n")
    rotate(kept.url, actor="t", wait_s=0)
    own, others = lines_of(kept.file)
    assert (lets_in(kept, own.password), others.text) == (True, "*:*:*:*:of others")
    kept.file.write_text(f"*:*:*:*:{own.password}\n")
    with pytest.raises(PasswordNotInFile):
        rotate(kept.url, actor="t", wait_s=0)


def test_an_address_that_holds_its_password_is_refused_with_the_way_out(kept: Kept) -> None:
    bare = kept.url.partition("?passfile=")[0].partition("&passfile=")[0]
    with pytest.raises(PasswordNotInFile, match="password file") as refused:
        rotate(f"{bare}{'&' if '?' in bare else '?'}password=x", actor="t", wait_s=0)
    assert "passfile=" in str(refused.value.todo)
    kept.file.chmod(0o644)
    with pytest.raises(PasswordNotInFile):
        rotate(kept.url, actor="t", wait_s=0)


def test_a_server_that_asks_for_no_password_is_told_and_nothing_is_changed(kept: Kept) -> None:
    with psycopg.connect(kept.admin, autocommit=True) as conn:
        conn.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(ASKED), sql.Identifier(kept.login)))
    with pytest.raises(PasswordNotAsked):
        rotate(kept.url, actor="t", wait_s=0)
    assert told(kept) == []
    assert lines_of(kept.file)[2].password == FIRST


def test_a_login_that_is_not_the_servers_is_told_so_and_keeps_its_password(kept: Kept) -> None:
    with psycopg.connect(kept.admin, autocommit=True) as conn:
        conn.execute(sql.SQL("revoke counterfoil_app, counterfoil_program from {}").format(sql.Identifier(kept.login)))
    with pytest.raises(NotTheServersLogin):
        rotate(kept.url, actor="t", wait_s=0)
    assert lets_in(kept, FIRST)


def test_a_database_that_is_full_has_not_refused_a_password(kept: Kept) -> None:
    with psycopg.connect(kept.admin, autocommit=True) as conn:
        conn.execute(sql.SQL("alter role {} connection limit 0").format(sql.Identifier(kept.login)))
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        rotate(kept.url, actor="t", wait_s=0)
    with psycopg.connect(kept.admin, autocommit=True) as conn:
        conn.execute(sql.SQL("alter role {} connection limit -1").format(sql.Identifier(kept.login)))
    assert rotate(kept.url, actor="t", wait_s=5).resumed is False


def test_a_file_with_passwords_that_let_nobody_in_changes_nothing(kept: Kept) -> None:
    kept.file.write_text(f"*:*:*:{kept.login}:wrong\n")
    with pytest.raises(PasswordFileRefused):
        rotate(kept.url, actor="t", wait_s=0)
    assert lets_in(kept, FIRST)


def test_the_age_of_a_password_counts_from_the_first_process_that_needed_it_and_from_each_change(kept: Kept) -> None:
    [check] = MONITORS
    assert isinstance(check.offenders, str)

    def old(days: int) -> list[Any]:
        with psycopg.connect(kept.admin) as conn:
            found = conn.execute(check.offenders, {"now": now() + timedelta(days=days)}).fetchall()  # type: ignore[arg-type]
        return [row[0] for row in found if row[0] == f"login:{kept.login}"]

    with psycopg.connect(kept.admin) as conn:
        note_login(conn, now=now())
    assert old(400) == [], "the socket asks the superuser for none"
    for days in (30, 0):
        with FileConnection.connect(kept.url) as conn:
            set_up(conn, "counterfoil_app")
            note_login(conn, now=now() - timedelta(days=days))
    assert (old(61), old(63)) == ([], [f"login:{kept.login}"]), "the first of them counts"
    rotate(kept.url, actor="t", wait_s=0)
    assert (old(91), old(93)) == ([], [f"login:{kept.login}"])
