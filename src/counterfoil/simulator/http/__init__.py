"""How the simulated provider answers."""
