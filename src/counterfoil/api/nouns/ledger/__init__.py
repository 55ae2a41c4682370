"""Routes of accounts, journals, holds, periods and programs."""
