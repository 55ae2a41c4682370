"""The proof package of a period: what is in it, how it is made and stored."""
