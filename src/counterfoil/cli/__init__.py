"""The command line: a client of the API, and the processes that serve it."""
