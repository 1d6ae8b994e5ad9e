"""Worlds in space."""
