"""Complete checkouts: evaluate what is live, take what is frozen, and record all of it at once."""
