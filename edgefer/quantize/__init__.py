"""Calibration: which faces are shown to the float model, and what range each tensor then gets."""
