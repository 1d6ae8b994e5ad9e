"""Lessons: numbered scripts, step by step."""
