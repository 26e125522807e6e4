"""The commands of `python -m keras_patchdpm`, one file each."""
