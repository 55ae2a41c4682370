"""Pages of the work itself: what waits for a second person, and whether workers and queues do what is due. Pages and their forms."""
