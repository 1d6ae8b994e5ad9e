"""One folder for each command: programs about environments and runs."""
