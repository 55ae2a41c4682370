"""Complaints of customers, and who gets the money in the end."""
