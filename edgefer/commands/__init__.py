"""Thin click commands: parse, call the library, print. Heavy imports are inside the functions."""
