import math

import keras
import numpy as np
import pytest

from keras_patchdpm import _checks

pytestmark = pytest.mark.once


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integer_returns_an_int(value):
    result = _checks.integer("size", value, minimum=3, maximum=3)
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize("value", [3.0, True, "3", None, [3], np.array([3, 4])])
def test_integer_refuses_what_is_none(value):
    with pytest.raises(TypeError, match="`size` must be an int. Received: size="):
        _checks.integer("size", value)


def test_integer_refuses_what_is_out_of_range():
    with pytest.raises(ValueError, match="`size` must be at least 2.*size=1"):
        _checks.integer("size", 1, minimum=2)
    with pytest.raises(ValueError, match="`size` must be at most 2.*size=3"):
        _checks.integer("size", 3, maximum=2)


def test_positive_int():
    assert _checks.positive_int("n", 1) == 1
    with pytest.raises(ValueError, match="`n` must be at least 1. Received: n=0"):
        _checks.positive_int("n", 0)


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), 0])
def test_real_returns_a_float(value):
    result = _checks.real("eta", value, minimum=0, maximum=1)
    assert result == value
    assert type(result) is float


def test_real_refuses():
    for value in (-0.1, 1.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"`eta` must be in \[0, 1\].*eta="):
            _checks.real("eta", value, minimum=0, maximum=1)
    for value in (True, "1", None, 1j):
        with pytest.raises(TypeError, match="`eta` must be a number.*eta="):
            _checks.real("eta", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_real_refuses_what_is_not_finite(value):
    with pytest.raises(ValueError, match="`mean` must be finite. Received: mean="):
        _checks.real("mean", value)


@pytest.mark.parametrize("value", ["false", 0, 1, None, np.array([True])])
def test_boolean_refuses_what_only_looks_like_one(value):
    with pytest.raises(TypeError, match="`flip` must be True or False.*flip="):
        _checks.boolean("flip", value)


def test_boolean():
    assert _checks.boolean("flip", np.bool_(True)) is True
    assert _checks.boolean("flip", False) is False


def test_function():
    assert _checks.function("decode", len) is len
    with pytest.raises(TypeError, match="`decode` must be a function.*decode=3"):
        _checks.function("decode", 3)


@pytest.mark.parametrize("value", [0, np.array(["a", "b"]), ["a"], None])
def test_one_of_compares_types_too(value):
    with pytest.raises(ValueError, match="`position` must be one of 'a', False"):
        _checks.one_of("position", value, ("a", False))


def test_real_names_the_one_bound_there_is():
    with pytest.raises(ValueError, match="`gamma` must be at least 1. .*gamma=0.5"):
        _checks.real("gamma", 0.5, minimum=1)
    with pytest.raises(ValueError, match="`gamma` must be at most 1. .*gamma=2"):
        _checks.real("gamma", 2, maximum=1)
    for bound in ({"minimum": 0}, {"maximum": 1}):
        with pytest.raises(ValueError, match="`gamma` must be at .*gamma=nan"):
            _checks.real("gamma", math.nan, **bound)


def test_one_of_lists_what_there_is():
    assert _checks.one_of("rule", "ddim", ("ddpm", "ddim")) == "ddim"
    with pytest.raises(ValueError, match="'ddpm', 'ddim'. Received: rule='euler'"):
        _checks.one_of("rule", "euler", ("ddpm", "ddim"))
    with pytest.raises(ValueError, match=r"Received: rule=\['ddim'\]"):
        _checks.one_of("rule", ["ddim"], {"ddpm": 1, "ddim": 2})


def test_pair():
    assert _checks.pair("divisions", 2) == (2, 2)
    assert _checks.pair("divisions", [2, np.int64(3)]) == (2, 3)
    with pytest.raises(ValueError, match="an int or two ints.*divisions=.1, 2, 3"):
        _checks.pair("divisions", (1, 2, 3))
    for value in (0, (2, 0)):
        with pytest.raises(ValueError, match="`divisions` must be at least 1"):
            _checks.pair("divisions", value)
    for value in (2.0, (2, 1.5), "22"):
        with pytest.raises(TypeError, match="`divisions` must be an int"):
            _checks.pair("divisions", value)


def test_image_shape():
    assert _checks.image_shape("images", (None, 4, 6, 3)) == (4, 6, 3)
    for shape in ((4, 6, 3), (1, 1, 4, 6, 3), (1, None, 6, 3)):
        with pytest.raises(ValueError, match="batch, height, width, channels.*shape="):
            _checks.image_shape("images", shape)


def test_received_is_short_whatever_the_value():
    assert _checks.received("n", [1, 2]) == "n=[1, 2]"
    assert _checks.received("n", 10**5000) == "n=<int>"
    assert len(_checks.received("n", list(range(10**4)))) < 250
    images = np.zeros((2, 8, 8, 3), "float32")
    expected = "images=array of shape (2, 8, 8, 3) and dtype float32"
    assert _checks.received("images", images) == expected
    assert "\n" not in _checks.received("n", np.eye(2))


@pytest.mark.parametrize("value", [10**30, 10**5000, np.uint64(2**40)], ids="abc")
def test_positive_int_refuses_what_no_backend_can_count_to(value):
    with pytest.raises(ValueError, match="`units` must be at most 2147483647"):
        _checks.positive_int("units", value)


def test_real_has_no_negative_zero():
    assert math.copysign(1, _checks.real("eta", -0.0, minimum=0, maximum=1)) == 1


def test_string():
    assert _checks.string("name", "unet") == "unet"
    for value in (None, 3, b"unet", ["unet"]):
        with pytest.raises(TypeError, match="`name` must be a string.*name="):
            _checks.string("name", value)


def test_instance_and_like():
    assert _checks.instance("part", slice(1), slice) == slice(1)
    with pytest.raises(TypeError, match="`part` must be a `slice`.*part=3"):
        _checks.instance("part", 3, slice)
    assert _checks.like("text", "a", asked=("split",), example='"a b"') == "a"
    for value in (3, str, None):
        with pytest.raises(TypeError, match='`text` must be an object such as `"a b"`'):
            _checks.like("text", value, asked=("split",), example='"a b"')


@pytest.mark.parametrize("value", [[1, 2], (1, 2), range(1, 3), np.array([1, 2])])
def test_sequence_returns_a_tuple_of_ints(value):
    found = _checks.sequence("sizes", value, _checks.positive_int, count=2)
    assert found == (1, 2)
    assert [type(entry) for entry in found] == [int, int]


@pytest.mark.parametrize(
    "value",
    ["12", b"12", 3, None, {1, 2}, {1: 2}, iter([1, 2]), np.array(2), np.eye(2), list],
)
def test_sequence_refuses_what_has_no_order_or_no_length(value):
    with pytest.raises(TypeError, match="`sizes` must be a list or tuple.*sizes="):
        _checks.sequence("sizes", value, _checks.positive_int)


def test_sequence_refuses_another_length_and_wrong_entries():
    with pytest.raises(
        ValueError, match="`sizes` must contain 2 entries.*sizes=.1, 2, 3"
    ):
        _checks.sequence("sizes", [1, 2, 3], _checks.positive_int, count=2)
    with pytest.raises(ValueError, match="`sizes` must contain at least 1 entry"):
        _checks.sequence("sizes", [], _checks.positive_int)
    assert _checks.sequence("sizes", [], _checks.positive_int, least=0) == ()
    with pytest.raises(TypeError, match="`sizes` must be an int.*sizes=1.5"):
        _checks.sequence("sizes", [1, 1.5], _checks.positive_int)


@pytest.mark.parametrize("value", [{2: 1, 3: 1}, {2, 3}, iter([2, 3]), None, b"22"])
def test_pair_refuses_what_has_no_order(value):
    with pytest.raises(TypeError, match="`divisions` must be an int or two ints"):
        _checks.pair("divisions", value)


def test_images_are_arrays_or_tensors_of_numbers():
    images = np.zeros((2, 4, 6, 3), "uint8")
    symbolic = keras.KerasTensor((None, 4, 6, 3))
    for value in (images, keras.ops.convert_to_tensor(images), symbolic):
        assert _checks.images("images", value) == (4, 6, 3)
    for value in (None, "x", [[1]], np.zeros, np):
        with pytest.raises(TypeError, match="`images` must be an array or tensor"):
            _checks.images("images", value)
    for dtype in (bool, "complex64", object, "U1", "datetime64[s]"):
        with pytest.raises(TypeError, match="`images` must contain numbers.*dtype"):
            _checks.images("images", images.astype(dtype))
    for shape in ((4, 6, 3), (2, 4, 0, 3), (2, 4, None, 3)):
        with pytest.raises(ValueError, match="`images` must have the shape"):
            _checks.images("images", keras.KerasTensor(shape))


def test_array_refuses_ragged_lists():
    assert _checks.array("images", [[1, 2], [3, 4]]).shape == (2, 2)
    with pytest.raises(TypeError, match="`images` must be an array.*images="):
        _checks.array("images", [[1], [2, 3]])
