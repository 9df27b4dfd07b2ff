"""edgefer takes a compact facial expression recognition network from data to a device."""

__version__ = "0.1.0"
