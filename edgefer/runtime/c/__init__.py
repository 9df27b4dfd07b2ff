"""Networks as C: read from int8 TFLite files, planned, written, compiled and loaded. The standard library and numpy only."""
