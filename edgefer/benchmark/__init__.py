"""Measuring what ships: a small worker in fresh processes, and records that say what a figure is worth."""
