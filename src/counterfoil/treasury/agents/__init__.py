"""Agents: their accounts, what they may spend, and what stops them."""
