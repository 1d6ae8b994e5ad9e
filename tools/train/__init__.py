"""`poise train`."""
