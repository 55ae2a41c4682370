"""Reading the world's files: every line into one shape, or rejected with its reason; broken files refused."""
