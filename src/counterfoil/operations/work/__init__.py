"""The runner, the worker, and what is asked of them."""
