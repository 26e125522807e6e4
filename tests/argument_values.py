"""Wrong values for any argument, and which of them a kind of argument may accept."""

import numpy as np


class _Class:
    """A class where an object is expected; as a function it accepts anything."""

    def __init__(self, *arguments):
        pass


# Label of a value to a function that makes it: generators can be used only once.
VALUES = {
    "none": lambda: None,
    "text": lambda: "x",
    "digits": lambda: "2",
    "empty text": lambda: "",
    "false as text": lambda: "false",
    "null": lambda: "a\0b",
    "bytes": lambda: b"2",
    "true": lambda: True,
    "numpy true": lambda: np.True_,
    "zero": lambda: 0,
    "one": lambda: 1,
    "minus one": lambda: -1,
    "minus zero": lambda: -0.0,
    "float": lambda: 1.5,
    "half": lambda: 0.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "minus inf": lambda: float("-inf"),
    "huge": lambda: 10**30,
    "complex": lambda: 1j,
    "empty list": lambda: [],
    "empty dict": lambda: {},
    "dict": lambda: {"x": 1},
    "set": lambda: {1, 2},
    "generator": lambda: (number for number in (1, 2)),
    "three ints": lambda: [2, 2, 2],
    "negative ints": lambda: (-2, -2),
    "floats": lambda: [1.5, 1.5],
    "texts": lambda: ["a", "b"],
    "nested": lambda: [[1], [2]],
    "ragged": lambda: [[1], [2, 3]],
    "nones": lambda: [None, None],
    "nans": lambda: [float("nan"), float("nan")],
    "object": object,
    "zeros": lambda: np.zeros((2, 2)),
    "int array": lambda: np.array([1, 2]),
    "scalar array": lambda: np.array(2),
    "nan images": lambda: np.full((2, 8, 8, 3), np.nan, "float32"),
    "empty images": lambda: np.zeros((0, 8, 8, 3), "float32"),
    "grey images": lambda: np.zeros((2, 8, 8), "float32"),
    "complex images": lambda: np.zeros((2, 8, 8, 3), "complex64"),
    "bool images": lambda: np.zeros((2, 8, 8, 3), bool),
    "text array": lambda: np.full((2, 8, 8, 3), "a"),
    "object array": lambda: np.full((2, 8, 8, 3), None),
    "dates": lambda: np.zeros((2, 8, 8, 3), "datetime64[s]"),
    "function": lambda: lambda *arguments: None,
    "class": lambda: _Class,
    "module": lambda: np,
}

_TEXTS = {"text", "digits", "empty text", "false as text"}
_FLOATS = {"zero", "one", "minus zero", "float", "half", "huge"}

# Kind of an argument to the values that it may accept. Whatever equals the default or
# the valid value may be accepted as well; everything else must be refused.
KINDS = {
    "count": {"one"},
    "index": {"zero", "one"},
    "int": {"zero", "one", "minus one"},
    "seed": {"zero", "one", "huge"},
    "fraction": {"zero", "one", "minus zero", "half"},
    "small": set(),
    "rate": {*_FLOATS, "function", "class"},
    "positive": {"one", "float", "half", "huge"},
    "non-negative": _FLOATS,
    "real": {*_FLOATS, "minus one"},
    "bool": {"true", "numpy true"},
    "size": {"one", "int array"},
    "ints": {"three ints", "int array"},
    "indices": {"empty list", "int array"},
    "range": {"int array", "floats"},
    "floats": {"three ints", "int array", "floats"},
    "per-channel": {
        "three ints",
        "negative ints",
        "int array",
        "floats",
        "scalar array",
        "zero",
        "one",
        "minus one",
        "minus zero",
        "float",
        "half",
        "huge",
    },
    "images": {"nan images", "empty images"},
    "finite": set(),
    "matrix": {"nested", "zeros"},
    "numbers": {
        "three ints",
        "negative ints",
        "floats",
        "nested",
        "zeros",
        "int array",
        "grey images",
        "bool images",
    },
    "labels": {"nested", "int array"},
    "weights": {"nested", "int array", "floats"},
    "function": {"function", "class"},
    "choice": set(),
    "text": _TEXTS | {"null"},
    "path": {"text", "digits", "false as text"},
    "object": set(),
    "bytes": {"digits", "one", "huge"},
    "flag": {"true", "numpy true", "zero", "one", "minus zero"},
    "dict": {"empty dict", "dict"},
    "data": {"generator"},
    "steps": {"one", "none"},
    "several": {"empty list", "empty dict"},
    "epochs": {"one", "empty list", "set", "three ints"},
    "anything": set(VALUES),
}
