"""camt.052, camt.053 and camt.054: statements, reports and notices of ISO 20022."""
