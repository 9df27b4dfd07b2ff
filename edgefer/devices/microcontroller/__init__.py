"""Microcontrollers that are not there: a bundle's C as firmware, compiled here and run in QEMU's system mode."""
