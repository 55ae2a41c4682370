"""Transactions in two phases: every participant promises, one decision is written down, and every participant follows it."""
