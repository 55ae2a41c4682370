"""Alerts: one for each thing that breaks a check, from the run that found it to the person who resolved it."""
