#!/bin/bash
# Everything that is measured on a GPU, in at most eight minutes; a line of JSON each.
#
#     bash benchmarks/gpu.sh > benchmarks/results/gpu.jsonl        # an NVIDIA GPU
#     SMALL=1 bash benchmarks/gpu.sh                               # a try on a CPU
#
# JAX compiles everything first, in several processes at the same time, into a cache that
# the timings then read. LIMIT is the time of each process, in seconds.
set -u
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD:${PYTHONPATH:-}" TF_CPP_MIN_LOG_LEVEL=3
export XLA_PYTHON_CLIENT_PREALLOCATE=false
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-$(mktemp -d)}"
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
LIMIT="${LIMIT:-120}"
PYTHON="${PYTHON:-python}"
UNET=(--image-size 128 --width 96 --images 64 --steps 2 --places device)
ARAKAWA=(--network arakawa_unet --image-size 128 --width 128 --images 64 --steps 1)
FIT=(--image-size 128 --width 96 --batch 512 --steps 20 --rounds 3 --workers 8)
if [ -n "${SMALL:-}" ]; then
    FIT=(--image-size 32 --width 8 --batch 8 --steps 4 --rounds 1)
    UNET=(--image-size 32 --width 8 --images 2 --steps 1 --places device)
    ARAKAWA=(--network arakawa_unet --image-size 64 --width 8 --images 2 --steps 1)
fi
KINDS="whole grid2 grid4 cascade4"
GRIDS="grid1 grid2 grid4 grid8"

measure() { # backend, benchmark, arguments
    local backend=$1
    shift
    KERAS_BACKEND=$backend timeout "$LIMIT" "$PYTHON" -m "benchmarks.$@" \
        2>>"${ERRORS:-/dev/null}"
}

for kind in $KINDS; do
    measure jax speed.sampler_overhead --kinds $kind "${UNET[@]}" --all-patches \
        --rounds 1 >/dev/null &
done
for kind in $GRIDS; do
    measure jax speed.sampler_overhead --kinds $kind "${ARAKAWA[@]}" --places device \
        --rounds 1 >/dev/null &
done
wait
for backend in jax torch; do
    measure $backend speed.sampler_overhead --kinds $KINDS "${UNET[@]}" --all-patches \
        --rounds 3
    measure $backend speed.sampler_overhead --kinds $GRIDS "${ARAKAWA[@]}" \
        --places device --rounds 3
done
# `fit` over a compiled loop of steps, with the images on the host and on the device.
for backend in jax torch; do
    for place in host device; do
        measure $backend speed.fit_overhead --images-on $place "${FIT[@]}"
    done
done
# One image, whole, beside `diffusers`.
measure torch speed.throughput --diffusers --batch 1 --n --steps 20 \
    --image-size "${UNET[1]}" --width "${UNET[3]}" --rounds 3
# Memory: the peak of the allocator and what is predicted, a process each.
for backend in torch jax; do
    for kind in $GRIDS; do
        measure $backend memory.allocator_peak $kind "${ARAKAWA[@]:0:8}"
    done
done
