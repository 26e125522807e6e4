"""Stores the weights of a LiteRT file in fewer bits."""

import contextlib
import importlib
import io

BITS = {"float16": 16, "int8": 8}


def store(path, precision):
    """Replaces weights by ones in fewer bits, which the runtime converts.

    Args:
        path: `Path` of the `.tflite` file, which is overwritten.
        precision: Key of `BITS`, or `"float32"` to leave the file as it is.
    """
    if precision == "float32":
        return
    package = importlib.import_module("ai_edge_quantizer")
    quantizer = package.quantizer.Quantizer(str(path))
    recipes = package.recipe_manager.RecipeManager()
    algorithm = package.algorithm_manager.AlgorithmName
    recipes.add_weight_only_config(
        regex=".*",
        operation_name=package.qtyping.TFLOperationName.ALL_SUPPORTED,
        num_bits=BITS[precision],
        algorithm_key={
            "float16": algorithm.FLOAT_CASTING,
            "int8": algorithm.MIN_MAX_UNIFORM_QUANT,
        }[precision],
    )
    quantizer.load_quantization_recipe(recipes.get_quantization_recipe())
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(io.StringIO()):
        result = quantizer.quantize()  # Prints bars of its progress.
    path.unlink()
    result.export_model(str(path))
