"""Exports models for ONNX Runtime and LiteRT, to be sampled without Keras.

An exported folder has the networks, the description `patchdpm.json` with all numbers of
the sampling, and `card.md`. The package `keras_patchdpm_edge` samples from it.
"""

from keras_patchdpm.export._export import litert, onnx

__all__ = ["litert", "onnx"]
