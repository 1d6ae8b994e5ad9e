"""Images, videos and the window."""
