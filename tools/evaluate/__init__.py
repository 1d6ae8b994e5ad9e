"""The commands `poise evaluate`, `poise compare` and `poise robustness`."""
