"""Two processes that train together: the losses of one, and one set of files."""

import inspect
import json
import socket

import keras
import numpy as np
import pytest
from fresh_python import ROOT, run_pythons
from tiny_models import FixedNoise, tiny_images, tiny_model, train, values

from keras_patchdpm import GridPatching

# Before: `RANK` and `TESTS`. The second process starts from other weights.
COMMON = """
    import sys; sys.path.insert(0, TESTS)
    sys.modules["tensorflow"] = None  # Keras would import it, which takes seconds.
    import numpy as np
    {setup}
    import keras_patchdpm, keras
    from tiny_models import FixedNoise, PRESET, tiny_images, tiny_model, train, values
    from keras_patchdpm import GridPatching, RandomPatching, runtime, training
    from keras_patchdpm.callbacks import BackupAndRestore
    {join}

    model = tiny_model(GridPatching(2, patches_per_image=4), FixedNoise())
    if RANK and not {same_weights}:
        model.network.weights[0].assign(model.network.weights[0] + 1)
    model.compile(optimizer=keras.optimizers.SGD(0.1), metrics=["mse"])
    own = tiny_images(8).reshape(2, 2, 2, 8, 8, 3)[:, RANK].reshape(4, 8, 8, 3)
    history = train(model, own, epochs=2, batch_size=2, validation_data=own)
    noise = keras.random.normal((64,), seed=model.seed_generator)
    np.savez(f"fit{{RANK}}.npz", *values(model.network.weights), noise=noise, **history)

    patching, made = RandomPatching(8, (0.5,)), []
    cut = patching.batches
    patching.batches = lambda *args, **options: (
        made.append(cut(*args, **options)) or made[0]
    )
    model = tiny_model(patching)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    train(model, tiny_images(4), batch_size=1)
    np.savez(f"crops{{RANK}}.npz", *values(model.network.weights), **made[0][0][0])

    assert runtime.same_in_all(7) and not runtime.same_in_all(RANK)
    written = set()  # A file that is complete is renamed.
    sys.addaudithook(
        lambda event, args: written.add(str(args[1])) if event == "os.rename" else None
    )
    config = {{**PRESET, "patching": {{"name": "GridPatching", "divisions": 2}}}}
    settings = training.TrainingSettings(
        batch_size=2, steps_per_epoch=2, precision="float32"
    )
    for epochs in (1, 2):
        model = training.train(
            config, tiny_images(8), "run", epochs=epochs, settings=settings
        )
        print("written", RANK, epochs)
    np.savez(f"train{{RANK}}.npz", *values(model.network.weights))
    print("has written:", sorted(path for path in written if path.startswith("run")))
    model = tiny_model()
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    own = BackupAndRestore("run/backup" if RANK else "elsewhere")
    for call in (
        lambda: train(model, tiny_images(2), batch_size=1, callbacks=[own]),
        lambda: training.train(config, tiny_images(8), "run", minutes=1),
    ):
        try:
            call()
        except ValueError as error:
            print(error)
"""

ENGINES = {
    "torch": {
        "setup": "import torch.distributed as dist",
        "join": "dist.init_process_group("
        "'gloo', init_method='file://' + STORE, rank=RANK, world_size=2)",
        "same_weights": False,
    },
    "jax": {
        "setup": "import jax; jax.config.update("
        "'jax_cpu_collectives_implementation', 'gloo')",
        "join": "keras.distribution.initialize(ADDRESSES, 2, RANK); "
        "keras.distribution.set_distribution("
        "keras.distribution.DataParallel(auto_shard_dataset=False))",
        "same_weights": True,
    },
}


def run_two(engine, folder):
    """Runs the script in two processes; returns what each has printed."""
    script = inspect.cleandoc(COMMON).format(**engine)
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    addresses = f"localhost:{port},localhost"
    scripts = [
        f"RANK, TESTS, STORE = {rank}, {str(ROOT / 'tests')!r}, "
        f"{str(folder / 'store')!r}\nADDRESSES = '{addresses}'\n{script}"
        for rank in range(2)
    ]
    return run_pythons(scripts, folder, JAX_DISABLE_MOST_OPTIMIZATIONS="1")


if keras.backend.backend() in ENGINES:

    @pytest.mark.slow
    def test_two_processes(tmp_path):
        results = run_two(ENGINES[keras.backend.backend()], tmp_path)
        for rank, (printed, errors) in enumerate(results):
            assert "they would stop at different steps" in printed, errors
            assert "see different backups" in printed
            assert ("has written: []" in printed) is (rank == 1)
        first, second = (np.load(tmp_path / f"fit{rank}.npz") for rank in range(2))
        model = tiny_model(GridPatching(2, patches_per_image=4), FixedNoise())
        model.compile(optimizer=keras.optimizers.SGD(0.1), metrics=["mse"])
        expected = train(
            model, tiny_images(8), epochs=2, validation_data=tiny_images(8)
        )
        for name in expected:
            np.testing.assert_allclose(first[name], expected[name], rtol=1e-5)
            np.testing.assert_array_equal(first[name], second[name])
        for number, weight in enumerate(values(model.network.weights)):
            np.testing.assert_allclose(first[f"arr_{number}"], weight, atol=1e-5)
            np.testing.assert_array_equal(
                first[f"arr_{number}"], second[f"arr_{number}"]
            )
        one, other = (np.load(tmp_path / f"crops{rank}.npz") for rank in range(2))
        for name in one:
            same = np.array_equal(one[name], other[name])
            assert same is name.startswith("arr_"), name
        assert [printed.count("Resumes") for printed, _ in results] == [1, 0]
        written = {path.name for path in (tmp_path / "run").iterdir()}
        assert written - {".lock"} == {
            *("backup", "curve.csv", "early", "preset", "settings.json")
        }
        config = json.loads((tmp_path / "run/preset/config.json").read_text())
        assert config["training"]["patches_seen"] == 2 * 2 * 2 * 2
        weights = (np.load(tmp_path / f"train{rank}.npz") for rank in range(2))
        for one, other in zip(*(each.values() for each in weights), strict=True):
            np.testing.assert_array_equal(one, other)
        if keras.backend.backend() == "torch":  # JAX draws for all images at once.
            assert abs(np.corrcoef(first["noise"], second["noise"])[0, 1]) < 0.5
