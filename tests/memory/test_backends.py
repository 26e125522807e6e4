"""What is special to the backend at hand."""

import keras
import numpy as np
import pytest
from fresh_python import run_python
from keras import ops

from keras_patchdpm import memory

if keras.backend.backend() == "tensorflow":
    SCRIPT = """
        from keras_patchdpm.memory import peak
        from keras import ops
        piece = ops.ones((48, 1024))  # 192 KiB
        report = peak(lambda x: [x * i for i in range(16)], piece)
        print(report.bytes, report.exact, report.library, *report.notes, sep="|")
    """

    def test_what_the_default_allocator_hides_is_told(tmp_path):
        done = run_python(
            SCRIPT, tmp_path, TF_CPU_ALLOCATOR_USE_BFC=None, TF_ENABLE_ONEDNN_OPTS="1"
        )
        assert done.returncode == 0, done.stderr
        count, exact, library, note = done.stdout.strip().splitlines()[-1].split("|")
        assert (int(count), exact, library) == (0, "False", "oneDNN")
        assert "Tensors under 256 KB are not counted" in note
        assert "TF_CPU_ALLOCATOR_USE_BFC=1" in note

    def test_without_onednn_the_error_says_what_to_set(tmp_path):
        script = f"""
        from keras_patchdpm.memory import _tensorflow
        print("|".join(map(str, _tensorflow._library("CPU:0"))))
        {SCRIPT}
        """
        done = run_python(
            script, tmp_path, TF_CPU_ALLOCATOR_USE_BFC=None, TF_ENABLE_ONEDNN_OPTS="0"
        )
        assert "Eigen|('Eigen packs" in done.stdout
        assert done.returncode == 1
        assert "RuntimeError: TensorFlow keeps no memory statistics" in done.stderr
        assert "`TF_CPU_ALLOCATOR_USE_BFC=1` before" in done.stderr


if keras.backend.backend() == "jax":
    import jax

    def test_a_plan_is_the_same_every_time():
        x = ops.ones((64, 64))
        reports = [memory.peak(lambda x: ops.matmul(x, x), x) for _ in range(2)]
        assert reports[0] == reports[1]
        assert reports[0].exact and reports[0].bytes >= 64 * 64 * 4

    def test_the_scratch_memory_of_a_transposed_convolution_is_counted():
        """XLA writes its products, 16 numbers for each input, into an array."""
        images, kernel = ops.ones((2, 8, 8, 3)), ops.ones((4, 4, 5, 3))
        report = memory.peak(
            lambda x, k: ops.conv_transpose(x, k, strides=2, padding="same"),
            images,
            kernel,
        )
        products, output = 2 * 8 * 8 * 16 * 5 * 4, 2 * 16 * 16 * 5 * 4
        assert products + output <= report.bytes < products + output + 4096

    def test_work_that_jax_cannot_trace_is_explained():
        with pytest.raises(jax.errors.TracerArrayConversionError) as caught:
            memory.peak(lambda x: ops.convert_to_numpy(x), ops.ones(3))
        assert "without `fit` or `predict`" in "".join(caught.value.__notes__)

    def test_work_that_jax_does_not_see_is_refused():
        with pytest.raises(ValueError, match="no operation.*NumPy.*fn='<lambda>'"):
            memory.peak(lambda: np.ones(3))


if keras.backend.backend() == "torch":

    def test_the_profiler_prints_nothing(tmp_path):
        script = """
        from keras_patchdpm.memory import peak
        from keras import ops
        peak(lambda x: x * 2, ops.ones((8, 8)))
        """
        done = run_python(script, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "profiler" not in done.stdout + done.stderr

    def test_a_result_counts_until_the_call_ends():
        report = memory.peak(lambda: [ops.ones((1024, 1024)) for _ in range(3)])
        assert report.bytes == pytest.approx(3 * 4 * 2**20, rel=0.02)
        assert report.device == "cpu"

    def test_other_devices_are_refused(monkeypatch):
        meta = type("Tensor", (), {"device": "meta"})
        monkeypatch.setattr(keras.ops, "zeros", lambda shape: meta)
        with pytest.raises(RuntimeError, match="`cpu` and `cuda`.*device='meta'"):
            memory.peak(abs, 1)
