"""Networks of the user's own: from torch or ONNX into the same pipeline as edgefer's.

Light: `stated` (what the user says of the network) and `record`. The rest imports torch.
"""
