"""`poise dataset` and `poise translate`."""
