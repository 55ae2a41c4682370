"""Where the passes run: DuckDB on one machine, Spark on a cluster, the same answers."""
