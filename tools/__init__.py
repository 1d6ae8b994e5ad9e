"""Programs about worlds and runs. tools are run, toolkit is imported; the benchmarks run alone: `python -m tools.benchmark`."""
