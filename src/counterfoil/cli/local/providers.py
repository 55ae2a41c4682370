"""From settings to providers: who is set up here, and how each adapter is made. A new adapter is named here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from counterfoil.base.environment.chain_settings import tokens_of
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.secret import Secret, SigningSecret
from counterfoil.base.settings import SecretMissing, Settings, lacking_secrets
from counterfoil.operations.providers import Provider, chain, sepa
from counterfoil.operations.providers.accounts import AccountLibraryMissing, bank_account, chain_address
from counterfoil.operations.providers.chain.signer import signer
from counterfoil.operations.providers.simulator import SimulatorProvider

SIMULATOR: Final = "simulator"
STRIPE: Final = "stripe"
EVM_EXTRA: Final = ("eth_account", "eth_abi", "eth_keys", "eth_keyfile", "eth_rlp", "rlp", "eth_utils", "eth_hash", "hexbytes")
FILE_EXTRA: Final = ("bank-files", "schwifty", "sepaxml", "text_unidecode", "xmlschema")  # the extra, and what comes with it


class ExtraMissing(Problem, kind="invalid"):
    """A provider is set up whose library is not installed here, so nothing starts."""


def providers_of(settings: Settings) -> dict[str, Provider]:
    """The payment providers that are set up, by name; none when none is. Raises SecretMissing, WeakSecret, ExtraMissing."""
    if lacking := lacking_secrets(settings):
        raise SecretMissing(variables=lacking)
    made = {name: make(settings) for name, make in MAKERS.items()}
    return {name: one for name, one in made.items() if one is not None}


def _simulator(settings: Settings) -> Provider | None:
    url, key, secret = settings.provider_url, settings.provider_api_key, settings.provider_webhook_secret
    if url is None or key is None or secret is None:
        return None
    return SimulatorProvider(
        url,
        key.get_secret_value(),
        SigningSecret(secret.get_secret_value(), "provider_webhook_secret"),
        timeout_s=settings.provider_timeout_ms / 1000,
        horizon=timedelta(seconds=settings.provider_horizon_s),
    )


def _stripe(settings: Settings) -> Provider | None:
    key, secret = settings.stripe_api_key, settings.stripe_webhook_secret
    if key is None or secret is None:
        return None
    with extra(STRIPE, "stripe", "stripe"):
        from counterfoil.operations.providers.stripe.provider import StripeProvider
    return StripeProvider(
        key.get_secret_value(),
        Secret(secret.get_secret_value(), "stripe_webhook_secret"),
        url=settings.stripe_url,
        timeout_s=settings.provider_timeout_ms / 1000,
        horizon=timedelta(seconds=settings.provider_horizon_s),
    )


_DEBTOR: Final = {"iban": "sepa_debtor_iban", "bic": "sepa_debtor_bic", "holder": "sepa_debtor_name"}


def _sepa(settings: Settings) -> Provider | None:
    iban, name, bic = settings.sepa_debtor_iban, settings.sepa_debtor_name, settings.sepa_debtor_bic
    if iban is None:
        return None
    if name is None:
        raise InvalidInput("sepa_debtor_name", "set, together with sepa_debtor_iban")
    with extra(sepa.NAME, *FILE_EXTRA):
        from counterfoil.operations.providers.sepa.provider import SepaProvider
    try:
        debtor = bank_account(iban=iban, bic=bic, holder=name)
        return SepaProvider(debtor, orders_max=settings.sepa_orders_max, gather_for=timedelta(minutes=settings.sepa_gather_minutes))
    except AccountLibraryMissing as error:
        raise ExtraMissing(provider=sepa.NAME, do=error.facts["do"]) from error
    except InvalidInput as error:
        facts = {name: said for name, said in error.facts.items() if name not in ("field", "limit")}
        raise InvalidInput(_DEBTOR[str(error.facts["field"])], str(error.facts["limit"]), **facts) from None


def _chain(settings: Settings) -> Provider | None:
    url, key, number = settings.chain_url, settings.chain_private_key, settings.chain_number
    if url is None or key is None:
        return None
    tokens = tokens_of(settings.chain_assets)
    if number is None or not tokens:
        raise InvalidInput("chain_number" if number is None else "chain_assets", "set, together with chain_url")
    if any(token is None and asset != settings.chain_gas_asset for asset, token in tokens.items()):
        raise InvalidInput("chain_gas_asset", "the asset that is the chain's coin in chain_assets", got=settings.chain_gas_asset)
    with extra(chain.NAME, "evm", *EVM_EXTRA):
        signer()
    from counterfoil.operations.providers.chain.provider import GWEI, ChainProvider, ChainTerms

    try:
        known = {asset: chain_address(token, field="chain_assets") if token else None for asset, token in tokens.items()}
    except AccountLibraryMissing as error:
        raise ExtraMissing(provider=chain.NAME, do="pip install 'counterfoil[evm]'") from error
    terms = ChainTerms(
        chain_id=number,
        tokens=known,
        gas_asset=settings.chain_gas_asset,
        confirmations=settings.chain_confirmations,
        fee_max=settings.chain_fee_gwei_max * GWEI,
        gas_max=settings.chain_gas_max,
        in_flight_max=settings.chain_in_flight_max,
        replace_after=timedelta(seconds=settings.chain_replace_after_s),
        watched_blocks=settings.chain_watch_blocks,
        nonce_elsewhere=settings.chain_nonce_elsewhere or 0,
    )
    return ChainProvider(
        url.get_secret_value(),
        Secret(key.get_secret_value(), "chain_private_key"),
        terms,
        timeout_s=settings.provider_timeout_ms / 1000,
        horizon=timedelta(seconds=settings.provider_horizon_s),
    )


@contextmanager
def extra(provider: str, name: str, *modules: str) -> Iterator[None]:
    """What is imported in here comes with an extra. Raises ExtraMissing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in modules:
            raise
        raise ExtraMissing(provider=provider, do=f"pip install 'counterfoil[{name}]'") from error


MAKERS: Final[Mapping[str, Callable[[Settings], Provider | None]]] = {
    SIMULATOR: _simulator,
    STRIPE: _stripe,
    sepa.NAME: _sepa,
    chain.NAME: _chain,
}
