"""What environments and learners share.

This package imports no other package of Poise; envs2d, envs3d and algos import it, and never each
other.
"""
