"""A board over SSH: the way there, its facts, what is brought to it, and runs on it."""
