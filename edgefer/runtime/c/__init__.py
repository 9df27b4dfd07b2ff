"""Networks as C: read from int8 TFLite files, planned, written and compiled. The standard library and numpy only."""
