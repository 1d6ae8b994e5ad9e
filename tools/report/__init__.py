"""`poise report`: one HTML page about runs."""
