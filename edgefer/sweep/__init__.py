"""Sweeps: grids of trainings, as the papers' ablations are. One run is one training in a folder of its own."""
