"""Routes of runs, breaks, bank statements and reports."""
