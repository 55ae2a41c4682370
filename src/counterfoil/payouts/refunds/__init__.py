"""Money that goes back to a customer, and what is kept back from a payee for the case that it must."""
