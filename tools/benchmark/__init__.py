"""`poise benchmark`, and benchmarks beside peers: `python -m poise.tools.benchmark`."""
