"""What the simulated provider decides and knows. Pure."""
