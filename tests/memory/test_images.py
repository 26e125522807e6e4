"""What the images take is what is counted, or less."""

import json

import keras
import numpy as np
from fresh_python import run_python

BACKEND = keras.backend.backend()
CASE = '''
import json
import keras_patchdpm as kp
import keras
from keras_patchdpm.memory.images import images_bytes
from keras_patchdpm.memory._peak import backend_module

def highest(run):
    """What a sampling takes above the weights: measured, on JAX by XLA's own plans."""
    if keras.backend.backend() != "jax":
        run()  # Compiles.
        return kp.memory.peak(run).bytes
    import jax
    from keras_patchdpm.runtime import _jax
    sizes, compiled = [], _jax.compiled

    def recorded(function):
        jitted = compiled(function)

        def call(*args):
            plan = jitted.lower(*args).compile().memory_analysis()
            weights = jax.tree.leaves([x for x in args if isinstance(x, list)])
            arrays = plan.argument_size_in_bytes - sum(x.nbytes for x in weights)
            work = plan.temp_size_in_bytes + plan.output_size_in_bytes
            sizes.append(arrays + work)
            return jitted(*args)

        return call

    _jax.compiled = recorded
    run()
    _jax.compiled = compiled
    return max(sizes)

def case(patching, size, batch, patches_per_call, solver, held, **chosen):
    network = kp.networks.unet(
        size, patching, width=8, stem=2, multipliers=(1,), blocks_per_depth=1,
        attention_depths=(),
    )
    schedule = kp.DDPMSchedule("cosine", prediction="velocity")
    sampler = kp.PatchSampler(
        kp.PatchDPM(network, schedule, patching).tiled(**chosen), solver, 2,
        images_on="device", patches_per_call=patches_per_call,
    )
    found = highest(lambda: sampler(batch, batch_size=batch))
    call = kp.memory.profile(
        sampler.model, batch * patches_per_call, timed=False, isolated=False
    ).activations
    counted = images_bytes(
        sampler.model, images_held=held, images_on="device",
        patches_per_call=patches_per_call,
    )
    print(json.dumps([found, call + batch * counted]))

backend_module().prepare()
case(kp.GridPatching(4), 128, 2, 1, "ddim", 2)
case(kp.CascadePatching(4), 128, 2, 1, "dpmpp_2m", 3)
case(kp.CascadePatching(2), 64, 2, 9, "ddim", 2)
case(kp.GridPatching(2), 128, 2, 1, "heun", 4)
case(kp.RandomPatching(128), 128, 2, 1, "ddim", 2, divisions=4, overlap=0.5)
'''


def test_the_images_of_a_sampling_take_no_more_than_is_counted(tmp_path):
    settings = {"TF_CPU_ALLOCATOR_USE_BFC": "1", "TF_NUM_INTEROP_THREADS": "1"}
    done = run_python(CASE, tmp_path, **settings, KERAS_BACKEND=BACKEND)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    found, counted = np.array([json.loads(line) for line in lines]).T
    assert len(found) == 5
    assert (found <= counted).all() and (counted <= 2.5 * found).all(), (found, counted)
