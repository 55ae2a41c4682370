"""Accounts and the chart that says which names there are."""
