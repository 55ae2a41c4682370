"""CSV, NDJSON, JSON, Parquet and workbooks: rows with named cells."""
