"""What MkDocs does to a page of ours before it renders it.

A line `<!-- made: NAME -->` is replaced by a list that is made from the code (generated.py). A link that leads out of
docs/, such as ../README.md, works in a checkout; for the site the file it names is taken in, under repository/, and
the links in it too. So pages and README are read in both places and no figure is written twice.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from generated import made
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent
REPOSITORY = DOCS.parent
OUTSIDE = "repository/"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")
MADE = re.compile(r"^<!-- made: (\w+) -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take in every file outside docs/ that a page names, and what those name in turn."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        for target in LINK.findall(source_of(page).read_text(encoding="utf-8")):
            uri = site_uri(page, target)
            if uri and uri.startswith(OUTSIDE) and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(source_of(uri))))
                waiting += [uri] if uri.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the lists in, and point links at the files of the site."""
    mine = page.file.src_uri

    def relinked(found: re.Match[str]) -> str:
        uri = site_uri(mine, found.group())
        return posixpath.relpath(uri, posixpath.dirname(mine) or ".") if uri else found.group()

    return LINK.sub(relinked, MADE.sub(lambda found: made(found.group(1)), markdown))


def source_of(uri: str) -> Path:
    """Return the file a page of the site is made of."""
    return REPOSITORY / uri.removeprefix(OUTSIDE) if uri.startswith(OUTSIDE) else DOCS / uri


def site_uri(page: str, target: str) -> str | None:
    """Return the place on the site of a file that a page's link names, None where it names no file of ours."""
    path = (source_of(page).parent / target).resolve()
    if not path.is_file() or not path.is_relative_to(REPOSITORY):
        return None
    inside = path.is_relative_to(DOCS)
    return path.relative_to(DOCS).as_posix() if inside else OUTSIDE + path.relative_to(REPOSITORY).as_posix()
