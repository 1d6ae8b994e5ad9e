"""Programs about worlds and runs. tools are run, toolkit is imported; each file here also runs alone: `python -m tools.NAME`."""
