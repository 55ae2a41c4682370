"""Commands that run on this machine without a server, and the processes of an installation."""
