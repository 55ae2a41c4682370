"""Metrics for Prometheus: what is declared beside each part, read, counted once, and drawn."""
