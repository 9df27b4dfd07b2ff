"""Data sets as people have them on disk, read into faces and labels."""
