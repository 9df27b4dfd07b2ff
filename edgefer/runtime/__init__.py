"""The half that ships: numpy and one engine, never torch. A board gets this folder, all of it and nothing else."""
