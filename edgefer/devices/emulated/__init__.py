"""Boards that QEMU emulates: a real arm64 system with real wheels, on this machine."""
