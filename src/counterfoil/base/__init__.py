"""What every part stands on: money, ids, problems, states, the edge, the database, settings. Imports nothing of ours."""
