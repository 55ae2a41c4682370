"""What we owe a payee for one settlement."""
