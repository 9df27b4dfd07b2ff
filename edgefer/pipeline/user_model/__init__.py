"""Networks of the user's own: from torch or ONNX into the same pipeline as edgefer's.

All modules but contract_file import torch.
"""
