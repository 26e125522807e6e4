"""Settings are checked when they are given."""

import dataclasses
import json

import numpy as np
import pytest

from keras_patchdpm.training import TrainingSettings

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("batch_size", [0, -1, True, 1.5, "4", None]),
        ("learning_rate", [-1, float("nan"), float("inf"), "1e-3", None, True]),
        ("warmup_steps", [-1, 0.5, None]),
        ("cooldown", [-0.1, 1.1, float("nan"), None, True]),
        ("ema_share", [0, -0.1, 0.3, float("nan"), None]),
        ("steps_per_epoch", [0, -1, None, 2.0]),
        ("precision", ["bf16", "int8", "", None, 16]),
        ("flip", ["false", 1, None]),
        ("seed", [-1, 2**31, 0.5, None]),
        ("start_from", ["", 3, True]),
    ],
)
def test_wrong_values_are_refused_by_name(name, values):
    for value in values:
        with pytest.raises((TypeError, ValueError), match=rf"`{name}[`=].*{name}="):
            TrainingSettings(**{name: value})


def test_values_of_numpy_and_paths_become_plain(tmp_path):
    settings = TrainingSettings(
        batch_size=np.int64(4),
        learning_rate=np.float32(0.5),
        flip=np.bool_(False),
        start_from=tmp_path,
    )
    found = json.loads(json.dumps(dataclasses.asdict(settings)))
    assert found["batch_size"] == 4 and found["learning_rate"] == 0.5
    assert found["flip"] is False and found["start_from"] == str(tmp_path)
