"""Benchmarks of `keras_patchdpm`, in three groups.

`memory/` measures bytes, `speed/` seconds, `quality/` images: how good they are, and
whether they are the same after a second run or a killed process. Every figure of the
documentation names the command that gave it. From the root of the repository:

    KERAS_BACKEND=jax python -m benchmarks.speed.sampler_overhead --width 64

`--help` lists the arguments. A process measures one setting, or settings that are
compared alternately, and prints a line of JSON for each; what it prints on the way goes
to standard error. With `--keep` the lines are also appended to `results/`, from which
`tables.py` writes the tables and the plot of the documentation. `gpu.sh` runs what is
measured on a GPU.

Shared: `command_line.py` has the arguments and writes the lines, `measuring.py` builds
the models and the samplers and times them.
"""
