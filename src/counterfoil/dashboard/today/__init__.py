"""Today, the page that stays open, and The day, which holds everything behind it."""
