"""Boards that QEMU emulates: a real arm64 userland with real wheels, on this machine."""
