"""`python -m edgefer`, which is what torchrun starts."""

from edgefer.cli import main

main()
