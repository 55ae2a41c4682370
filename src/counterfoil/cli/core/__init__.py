"""What every command stands on: the connection, output, exit codes, the list of commands."""
