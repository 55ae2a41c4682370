"""What is confidential, kept encrypted: keys, which columns of which tables, how rows come under another key, and how that stands."""
