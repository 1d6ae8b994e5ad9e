"""Images, films and the window."""
