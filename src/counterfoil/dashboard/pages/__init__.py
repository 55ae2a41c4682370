"""One file for each page: what it asks, and how each section is judged."""
