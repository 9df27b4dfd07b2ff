"""edgefer takes a compact facial expression recognition network from data to a device."""

import os

__version__ = "0.1.0"

# ONNX Runtime's Linux packages since 1.29 report each session to Microsoft unless they are told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
