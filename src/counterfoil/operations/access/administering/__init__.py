"""Whether enough people are left for what takes two, and how a second administrator comes where one is left alone."""
