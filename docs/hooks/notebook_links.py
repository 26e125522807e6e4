"""Turns the links of the notebooks, which hold in the repository, into the site's."""

import re


def on_post_page(output, page, config):
    """Called by MkDocs with the HTML of each page."""
    if not page.file.src_uri.startswith("notebooks/"):
        return output
    return site_links(output)


def site_links(html):
    """`../docs/NAME.md` and `NAME.ipynb` as the pages that they are on the site."""
    html = re.sub(r'href="\.\./docs/([^"#:]+)\.md', r'href="../\1.html', html)
    return re.sub(r'href="([^"#:/]+)\.ipynb', r'href="\1.html', html)
