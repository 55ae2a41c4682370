"""Payments that go to the bank in files: made of queued attempts, brought there by a person, answered by the bank's reports."""
