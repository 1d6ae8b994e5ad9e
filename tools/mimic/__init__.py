"""`poise mimic` and `poise duel`."""
