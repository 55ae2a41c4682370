"""Why a test of an optional provider is left out, and how to bring it in."""

NEEDS_STRIPE = "tests of Stripe (pip install 'counterfoil[stripe]')"
NEEDS_BANK_FILES = "tests of bank files (pip install 'counterfoil[bank-files]')"
NEEDS_EVM = "tests of payouts on a chain (pip install 'counterfoil[evm]')"
NEEDS_ANVIL = "tests of payouts on a chain (npm install @foundry-rs/anvil here, or anvil on the path)"
