"""Shows `notebooks/*.ipynb` on the site, from where they lie."""

import pathlib

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File


@event_priority(
    100
)  # Before mkdocs-jupyter, which looks for notebooks among the files.
def on_files(files, config):
    """Adds the notebooks beside `docs/` to the files of the site."""
    root = pathlib.Path(config.config_file_path).parent
    for path in sorted(root.glob("notebooks/*.ipynb")):
        files.append(
            File(
                path.relative_to(root).as_posix(),
                src_dir=str(root),
                dest_dir=config.site_dir,
                use_directory_urls=config.use_directory_urls,
            )
        )
    return files
