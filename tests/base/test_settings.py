"""Settings: typed, bounded, frozen; a misspelt one stops the start."""

from __future__ import annotations

import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from counterfoil.base.environment.other_variables import OTHER_VARIABLES
from counterfoil.base.postgres.fitness import on_the_way
from counterfoil.base.settings import (
    SettingRefused,
    Settings,
    UnknownSetting,
    load_settings,
    unknown_settings,
    variable_of,
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("COUNTERFOIL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_everything_has_a_default_that_starts() -> None:
    settings = load_settings({})
    assert settings.database_url is None
    assert settings.data_folder == Path(".counterfoil")
    assert settings.dashboard_refresh_s == 30
    assert settings.intent_timeout_minutes == 10


def test_the_environment_is_read_and_options_go_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_PORT", "9000")
    monkeypatch.setenv("COUNTERFOIL_HOST", "0.0.0.0")
    settings = load_settings(os.environ, port=9001)
    assert (settings.host, settings.port) == ("0.0.0.0", 9001)


def test_a_file_named_env_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COUNTERFOIL_PORT=9000\nUNRELATED=1\n")
    assert load_settings({}).port == 9000


def test_a_misspelt_variable_stops_the_start_and_the_right_one_is_named() -> None:
    with pytest.raises(UnknownSetting) as caught:
        load_settings({"COUNTERFOIL_DATABASE_URI": "postgresql:///x", "PATH": "/bin"})
    assert caught.value.facts["variable"] == "COUNTERFOIL_DATABASE_URI"
    assert caught.value.facts["did_you_mean"] == "COUNTERFOIL_DATABASE_URL"


def test_a_misspelt_line_of_the_file_stops_the_start_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COUNTERFOIL_PROT=9000\n")
    with pytest.raises(UnknownSetting, match=r"COUNTERFOIL_PROT, place \.env, did_you_mean COUNTERFOIL_PORT"):
        load_settings({})


def test_a_variable_of_another_program_is_not_read_from_the_file_so_it_is_refused_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COUNTERFOIL_API_KEY=x\n")
    with pytest.raises(UnknownSetting):
        load_settings({})


def test_variables_that_are_read_elsewhere_are_no_typos() -> None:
    assert unknown_settings([*OTHER_VARIABLES, *map(variable_of, Settings.model_fields), "HOME"]) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "http"),
        ("HOST", ""),
        ("DATABASE_URL", "mysql://root@localhost/x"),
        ("DATABASE_URL", "postgresql://user@host/db?nonsense=1"),
        ("BODY_BYTES_MAX", "1e9"),
        ("DASHBOARD_REFRESH_S", "0"),
        ("INTENT_TIMEOUT_MINUTES", "0"),
        ("LOG_LEVEL", "loud"),
        ("METRICS_NAMESPACE", "a-b"),
        ("PROVIDER_URL", "ftp://x"),
        ("PROGRAM", "Main Street"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv("COUNTERFOIL_" + variable, value)
    with pytest.raises(SettingRefused, match="COUNTERFOIL_" + variable):
        load_settings(os.environ)


def test_neither_an_error_nor_a_repr_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://user:hunter2@host/db?nonsense=1")
    with pytest.raises(SettingRefused) as caught:
        load_settings(os.environ)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://user:hunter2@host/db")
    assert "hunter2" not in repr(load_settings(os.environ))


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("postgresql://u@db.example/books?sslmode=verify-full", True),
        ("postgresql://u@db.example/books?sslmode=require", False),
        ("postgresql://u@db.example/books", False),
        ("postgresql://u@localhost,db.example/books", False),
        ("host=db.example hostaddr=10.0.0.7 dbname=books", False),
        ("postgresql://u@localhost/books", True),
        ("host=/run/postgresql dbname=books", True),
    ],
)
def test_over_a_network_the_database_is_reached_with_its_certificate_checked_where_that_is_demanded(
    url: str, is_taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("database_url", "replication_url"):
        monkeypatch.setenv("COUNTERFOIL_DATABASE_TLS", "false")
        monkeypatch.setenv(f"COUNTERFOIL_{name.upper()}", url)
        assert getattr(load_settings(os.environ), name).get_secret_value() == url
        monkeypatch.setenv("COUNTERFOIL_DATABASE_TLS", "true")
        if is_taken:
            assert load_settings(os.environ).database_tls
        else:
            with pytest.raises(SettingRefused, match=f"{name.upper()}.*verify-full"):
                load_settings(os.environ)
        monkeypatch.delenv(f"COUNTERFOIL_{name.upper()}")


@pytest.mark.parametrize(
    ("host", "encrypted", "is_said"), [("db.example", False, True), ("db.example", True, False), ("/run/pg", False, False)]
)
def test_doctor_says_that_the_way_to_the_database_can_be_read(host: str, encrypted: bool, is_said: bool) -> None:
    assert [one.how for one in on_the_way(host, encrypted=encrypted)] == ["warning"] * is_said


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(("name", "field"), Settings.model_fields.items(), ids=list(Settings.model_fields))
def test_each_setting_says_what_it_is_and_numbers_have_two_bounds(name: str, field: FieldInfo) -> None:
    assert (field.description or "").endswith(".")
    if field.annotation is int:
        bounds: set[str] = {type(one).__name__ for one in field.metadata}
        assert bounds & {"Ge", "Gt"}, f"{name} has no lower bound"
        assert bounds & {"Le", "Lt"}, f"{name} has no upper bound"
        times = ("_ms", "_s", "_minutes", "_hours", "_days", "_weeks", "_bits", "_months")
        units: Any = (*times, "_max", "port", "_quorum", "_confirmations", "_blocks")  # a quorum is of people
        assert name.endswith(units), f"{name} ends in no unit"


def test_proofs_are_locked_for_as_long_as_the_page_promises() -> None:
    """Thirty days in the code beside seven years on the page is found out when somebody needs the sixth."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "copy-proofs-and-backups-elsewhere.md").read_text()
    (promised,) = re.findall(r"`COUNTERFOIL_STORE_PROOFS_LOCKED_DAYS`: (\w+) years", page)
    assert promised == "seven"
    assert timedelta(days=load_settings({}).store_proofs_locked_days) >= date(2031, 1, 1) - date(2024, 1, 1)
