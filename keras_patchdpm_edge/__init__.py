"""Samples exported models without Keras: NumPy, and ONNX Runtime or LiteRT.

`keras_patchdpm.export` writes a folder: networks, and `patchdpm.json` with all numbers
of the sampling. This package interprets the numbers and calls the networks. It needs
neither Keras nor `keras_patchdpm`, and may be copied alone.
"""

from keras_patchdpm_edge.sampling import sample

__all__ = ["sample"]
