"""Stripe as a provider, by its official SDK (the extra `counterfoil[stripe]`): transfers to connected accounts, and what they pay out.

A destination is `acct_…`: the money leaves our balance for the payee's Stripe account. With `acct_…/ba_…` (or `card_…`) the account
pays the same amount out to that bank account at once. Our money is gone with the transfer; what becomes of the second step is told.
"""
