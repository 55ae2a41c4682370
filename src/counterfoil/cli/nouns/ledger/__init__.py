"""Commands of accounts, journals, periods and programs."""
