"""Commands of runs, breaks, bank statements and client money."""
