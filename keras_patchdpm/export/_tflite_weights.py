"""Stores the weights of a LiteRT file in fewer bits."""

import importlib

BITS = {"float16": 16, "int8": 8}


def store(path, precision):
    """Replaces weights by ones in fewer bits, which the runtime converts.

    Args:
        path: `Path` of the `.tflite` file, which is overwritten.
        precision: Key of `BITS`.
    """
    package = importlib.import_module("ai_edge_quantizer")
    quantizer = package.quantizer.Quantizer(str(path))
    recipes = package.recipe_manager.RecipeManager()
    algorithm = package.algorithm_manager.AlgorithmName
    recipes.add_weight_only_config(
        regex=".*",
        operation_name=package.qtyping.TFLOperationName.ALL_SUPPORTED,
        num_bits=BITS[precision],
        algorithm_key=algorithm.FLOAT_CASTING
        if precision == "float16"
        else algorithm.MIN_MAX_UNIFORM_QUANT,
    )
    quantizer.load_quantization_recipe(recipes.get_quantization_recipe())
    quantizer.quantize().export_model(str(path), overwrite=True)
