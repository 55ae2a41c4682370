"""Transactions across two servers under kills, freezes and cuts: afterwards each is whole, and every answer that was given is true."""
