"""edgefer takes a compact facial expression recognition network from data to a device."""

import edgefer.runtime  # noqa: F401  it sets what engines read from the environment, before any of them is imported

__version__ = "0.1.0"
