"""Downloads presets from the Hugging Face hub, and uploads them."""

import pathlib
import re

from keras_patchdpm import _checks
from keras_patchdpm.presets import _diffusers

PREFIX = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_OURS = re.compile(r"(guide/)?(config\.json|card\.md|weights[\w-]*\.(npz|safetensors))")
_WEIGHTS = ["weights*", "guide/weights*"]


def is_address(value):
    """Whether a value is the address of a repository, such as `"hf://user/name"`."""
    return isinstance(value, str) and value.startswith(PREFIX)


def download(address):
    """Downloads the files of a preset, unless they are in the cache of the library.

    A file is complete in that cache, or not there at all. A download that was stopped
    is resumed by the next one.

    Args:
        address: `"hf://user/name"`, or `"hf://user/name@revision"`.

    Returns:
        `Path` of a folder. Do not write to it.

    Raises:
        ImportError: If huggingface_hub is not installed.
        ValueError: If this is no address, or the repository has no preset.
        OSError: If the host refuses, or cannot be reached and the cache does not have
            all files.
    """
    repository, revision = _parsed("preset", address)
    hub = _library("preset", address)

    def fetched(names, **options):
        return pathlib.Path(
            hub.snapshot_download(
                repository, revision=revision, allow_patterns=names, **options
            )
        )

    try:
        names = hub.HfApi().list_repo_files(repository, revision=revision)
        wanted = _wanted(names, address)
        folder = fetched([name for name in wanted if name.endswith(".json")])
        if _diffusers.network_folder(folder):
            _diffusers.read(folder)  # Refuses other networks before their weights.
        return fetched(wanted)
    except ValueError:
        raise
    except _refusals(hub) as error:
        raise _refused("read", "preset", address, error=error) from error
    except Exception as error:  # Of the library's HTTP client too.
        folder = _complete_copy(fetched, address)
        if folder is None:
            raise OSError(
                "The preset could not be downloaded, and the cache does not have all "
                "of its files. Connect to the internet and call again: the download "
                f"is resumed. The error is: {_first_line(error)} "
                f"Received: preset={address!r}."
            ) from error
        _checks.warn(
            f"The host of {address} could not be reached. The files of the last "
            f"download are used. The error is: {_first_line(error)}"
        )
        return folder


def upload(folder, address):
    """Uploads the preset in a folder; creates the repository if it does not exist.

    Weights of an earlier upload are removed from the repository's newest state.

    Args:
        folder: `Path` of the folder.
        address: As in `download`.

    Raises:
        ImportError: If huggingface_hub is not installed.
        ValueError: If this is no address.
        OSError: If the host refuses, or cannot be reached.
    """
    repository, revision = _parsed("folder", address)
    hub = _library("folder", address)
    try:
        api = hub.HfApi()
        api.create_repo(repository, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            revision=revision,
            delete_patterns=_WEIGHTS,
            commit_message="Upload a preset of keras_patchdpm",
        )
    except Exception as error:  # Of the library's HTTP client too.
        raise _refused("written to", "folder", address, error=error) from error


def check(address):
    """Refuses an address to which nothing can be uploaded, before a preset is saved.

    Raises:
        ImportError: If huggingface_hub is not installed.
        ValueError: If this is no address.
    """
    _parsed("folder", address)
    _library("folder", address)


def model_card(text, address):
    """The text of a model card with the metadata of the hub.

    Args:
        text: String. If it has such metadata, nothing is added.
        address: Where the preset is uploaded.
    """
    if text.startswith("---\n"):
        return text
    hub = _library("folder", address)
    data = hub.ModelCardData(
        library_name="keras-patchdpm",
        pipeline_tag="unconditional-image-generation",
        tags=["keras", "diffusion", "patch-diffusion"],
    )
    return (
        f"---\n{data.to_yaml()}\n---\n\n{text.rstrip()}\n\n## Use\n\n```python\n"
        "import keras_patchdpm as kp\n\n"
        f'images = kp.sample(preset="{address}", num_images=4)\n```\n'
    )


def _parsed(argument, address):
    """`(repository, revision)` of an address; the revision may be `None`."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(
            f"`{argument}` must be an address such as 'hf://user/name' or "
            f"'hf://user/name@revision'. Received: {argument}={address!r}."
        )
    return match[1], match[2]


def _library(argument, address):
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            "Addresses with hf:// need the library huggingface_hub, which is not "
            "installed. Install it with `pip install keras-patchdpm[hub]`, or copy the "
            f"files and pass the path of their folder. Received: {argument}="
            f"{address!r}."
        ) from error
    return huggingface_hub


def _wanted(names, address):
    """The files of a preset, among those of a repository."""
    weights = [
        inner + name
        for inner in ("unet/", "")
        for name in _diffusers.WEIGHTS
        if inner + name in names
    ]
    if weights:
        folder = weights[0].rpartition("diffusion")[0]
        schedulers = (f"scheduler/{_diffusers.SCHEDULER}", _diffusers.SCHEDULER)
        files = (_diffusers.INDEX, folder + _diffusers.NETWORK, *schedulers)
        return [*(name for name in files if name in names), weights[0]]
    ours = [name for name in names if _OURS.fullmatch(name)]
    if "config.json" in ours and any(name.startswith("weights") for name in ours):
        return ours
    raise ValueError(
        "The repository has neither a preset of this package nor a `UNet2DModel` of "
        f"`diffusers`. Choose another one. Received: preset={address!r}, with the "
        f"files {sorted(names)[:20]}."
    )


def _complete_copy(fetched, address):
    """The folder of an earlier download in the cache, or `None`.

    Args:
        fetched: Function that downloads files of a list of names.
    """
    try:
        # The library refuses a folder without one of the files that it is asked for.
        folder = fetched(["unet/config.json"], local_files_only=True)
        files = [path for path in folder.rglob("*") if path.is_file()]
        _wanted([path.relative_to(folder).as_posix() for path in files], address)
    except (OSError, ValueError):  # Nothing, or the download was stopped too early.
        return None
    return folder


def _refusals(hub):
    """The errors of a host that has been reached."""
    errors = hub.errors
    return (
        errors.RepositoryNotFoundError,  # Also if it is private, or the login is wrong.
        errors.RevisionNotFoundError,
        errors.GatedRepoError,
    )


def _refused(done, argument, address, *, error):
    return OSError(
        f"The repository could not be {done}. Check its name and the connection; for a "
        "private or gated one log in with `hf auth login`, and accept its terms on its "
        f"page. The host says: {_first_line(error)} Received: {argument}={address!r}."
    )


def _first_line(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300].rstrip('.')}."
