"""What we write down in a fixed form: canonical JSON, and CSV that no spreadsheet runs."""
