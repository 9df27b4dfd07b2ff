"""From weights to a bundle: fold, calibrate, export, quantize, verify, package."""
