"""The settings of how people log in: a part of `base.settings.Settings`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class LoginSettings(BaseSettings):
    """How long a person's session lasts, what is asked of their password and second factor, and who else says who somebody is."""

    session_idle_minutes: int = Field(60, gt=0, le=1_440, description="A person's session on the pages ends after so long without use.")
    session_hours: int = Field(12, ge=1, le=24, description="And after so long in any case.")
    second_factor_fresh_minutes: int = Field(5, ge=1, le=60, description="Who has a second factor approves with a code no older than this.")
    second_factor_demanded: bool = Field(
        False, description="Whoever approves has a second factor; without one a person approves nothing. Counts from their next login on."
    )
    second_factor_at_login: bool = Field(
        False,
        description="Everybody who logs in by a password has a second factor: whoever has none is led to add one, and does nothing else "
        "before. Counts from their next login on.",
    )
    leaked_passwords: Path | None = Field(
        None,
        description="A file of passwords that leaked, of which nobody chooses one: a SHA-1 in hexadecimal at the beginning of each line, "
        "in their order, as Have I Been Pwned gives it out. It is read where it lies. Absent: none is compared.",
    )
    login_provider: SecretStr | None = Field(
        None,
        description="People may log in by this OpenID provider: its issuer, our client id there, and the client's secret if there is one, "
        "with spaces between. It sends people back to `/login/provider/back` at `public_url`. Needs the extra `counterfoil[oidc]`.",
    )
    login_provider_acr: str = Field(
        "",
        max_length=500,
        description="How strongly somebody has to have logged in there: the values of its `acr` that are taken, with spaces between. "
        "Empty: its login counts as one factor.",
    )
    login_provider_minutes: int | None = Field(
        None,
        ge=1,
        le=10_080,
        description="How long ago at most somebody gave their password there; it asks them again after that. Absent: as it likes.",
    )
    login_provider_rsa_bits: int = Field(
        2_048,
        ge=2_048,
        le=16_384,
        description="The shortest RSA key with which it may sign who somebody is. 2048, as most providers have, is 112 bits of security; "
        "3072 is 128, as all else here. Keys of elliptic curves are taken as they are.",
    )

    @property
    def login_issuer(self) -> str:
        """Of the provider that people log in by; empty without one."""
        return next(iter(self.login_provider.get_secret_value().split()), "") if self.login_provider else ""
