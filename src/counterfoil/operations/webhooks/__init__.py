"""What providers tell us: webhooks in, and the pull of what they did not tell."""
