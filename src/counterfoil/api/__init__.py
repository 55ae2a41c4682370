"""HTTP: one file of routes for each noun. No SQL and no arithmetic here; one transaction per request."""
