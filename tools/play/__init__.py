"""`poise play`: an interactive window."""
