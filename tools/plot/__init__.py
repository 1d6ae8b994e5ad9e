"""`poise plot`: learning curves."""
