"""The stage: what environments and learners share. toolkit is imported, tools are run.

This package imports none of our other packages; envs2d, envs3d and algos import it and never each other.
"""
