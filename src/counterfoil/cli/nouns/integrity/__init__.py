"""Commands of the sentinel, of alerts and of incidents."""
