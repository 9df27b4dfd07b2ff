"""What ships: this folder travels to a board whole, and imports nothing of edgefer outside itself."""

import os

# ONNX Runtime's Linux packages since 1.29 report each session to Microsoft unless they are told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
