"""Shows `notebooks/*.ipynb` on the site, from where they lie."""

import pathlib
import re

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


def on_post_page(output, page, config):
    """Turns the links of a notebook, which hold in the repository, into the site's."""
    if not page.file.src_uri.startswith("notebooks/"):
        return output
    return site_links(output)


def site_links(html):
    """`../docs/NAME.md` and `NAME.ipynb` as the pages that they are on the site."""
    html = re.sub(r'href="\.\./docs/([^"#:]+)\.md', r'href="../\1.html', html)
    return re.sub(r'href="([^"#:/]+)\.ipynb', r'href="\1.html', html)


def on_serve(server, config, builder):
    """Builds the site again when a notebook changes."""
    root = pathlib.Path(config.config_file_path).parent
    server.watch(str(root / "notebooks"))
    return server
