"""What an HTML page refers to, for tests of the report page and of the site."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes whose address a browser fetches to show a page.
FETCHED = {
    "script": ("src",), "img": ("src", "srcset"), "link": ("href",), "iframe": ("src",),
    "source": ("src", "srcset"), "video": ("src", "poster"), "audio": ("src",),
    "object": ("data",), "embed": ("src",), "use": ("href", "xlink:href"),
}  # fmt: skip
IN_CSS = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")
NOT_FETCHED = {"canonical", "search", "index", "next", "prev", "author", "license"}


class Page(HTMLParser):
    """Addresses in a page: `fetched` to show it, `linked` from it; `ids` that links may name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched, self.linked, self.ids = [], [], set()
        self._style = False
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = {k: v or "" for k, v in attrs}
        self.ids |= {attrs[k] for k in ("id", "name") if k in attrs}
        if tag == "a" and "href" in attrs:
            self.linked.append(attrs["href"])
        if not (tag == "link" and set(attrs.get("rel", "").split()) & NOT_FETCHED):
            self.fetched += [
                part.split()[0]
                for name in FETCHED.get(tag, ())
                if name in attrs
                for part in (attrs[name].split(",") if name == "srcset" else [attrs[name]])
            ]
        self.fetched += css_addresses(attrs.get("style", ""))
        self._style = tag == "style"

    def handle_data(self, data):
        if self._style:
            self.fetched += css_addresses(data)
            self._style = False


def css_addresses(text: str) -> list[str]:
    """Addresses that a style sheet has fetched."""
    return [a or b for a, b in IN_CSS.findall(text)]


@cache
def page(path: Path) -> Page:
    return Page(path)


def requests_elsewhere(folder: Path) -> list[str]:
    """'file: address' of all that pages and style sheets of a folder fetch from another host."""
    found = {path: page(path).fetched for path in folder.rglob("*.html")}
    found |= {path: css_addresses(path.read_text()) for path in folder.rglob("*.css")}
    return [
        f"{path.relative_to(folder)}: {address}"
        for path, addresses in found.items()
        for address in addresses
        if urlsplit(address).netloc
    ]


def broken(folder: Path) -> list[str]:
    """'file: address' of links and files of pages that lead nowhere, anchors included."""
    return [
        f"{path.relative_to(folder)}: {address}"
        for path in folder.rglob("*.html")
        for address in page(path).linked + page(path).fetched
        if not _leads_somewhere(path, address)
    ]


def _leads_somewhere(path: Path, address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or target.suffix != ".html" or anchor in page(target).ids
