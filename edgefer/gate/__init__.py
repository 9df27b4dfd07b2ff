"""The gate: BASE against HEAD on one machine, and an answer that can tell noise from a regression."""
