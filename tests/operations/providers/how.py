"""Why a test of an optional provider is left out, and how to bring it in."""

NEEDS_STRIPE = "tests of Stripe (pip install 'counterfoil[stripe]')"
NEEDS_BANK_FILES = "tests of bank files (pip install 'counterfoil[bank-files]')"
