"""`poise record`, `replay`, `combine` and `images-to-video`."""
