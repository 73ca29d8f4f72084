"""The frame of a page: its look, light and dark, wide and narrow; it loads nothing from outside."""

from __future__ import annotations

import html

STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #5b6472; --line: #d9dde3;
  --paper: #fff; --raised: #f4f6f9; --link: #14538f; --tag: #e6eefb; --mark: #14538f }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --soft: #a2abb9; --line: #383e49;
  --paper: #14171c; --raised: #1d2229; --link: #8cbcf5; --tag: #26364d; --mark: #8cbcf5 } }
*, *::before, *::after { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth }
body { font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink);
  background: var(--paper); max-width: 58rem; margin: 0 auto; padding: 1.5rem 1rem 4rem;
  text-align: left; overflow-wrap: anywhere }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 .3rem }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 2.6rem 0 .6rem; padding-top: .4rem;
  border-top: 1px solid var(--line) }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .2rem }
p, ul, ol { margin: .6rem 0 } li { margin: .3rem 0 } ul, ol { padding-left: 1.3rem }
a { color: var(--link) } code { font-size: .88em; overflow-wrap: anywhere }
.lead { color: var(--soft); margin-top: 0 } .abstract { background: var(--raised);
  border-left: 3px solid var(--mark); padding: .3rem 1rem; margin: 1rem 0 }
figure { margin: 1.4rem 0 } figcaption, .from { color: var(--soft); font-size: .86rem }
figcaption { margin: .4rem 0 } figcaption strong { color: var(--ink) }
img { max-width: 100%; height: auto; background: #fff; border-radius: .3rem; padding: .3rem;
  display: block }
.scroll { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-size: .84rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: normal }
th { border-bottom-color: var(--soft) } td.n, th.n { text-align: right; white-space: nowrap }
tr { break-inside: avoid } td { min-width: 3.2rem; max-width: 26rem }
.formula { display: flex; align-items: center; gap: 1rem; margin: .8rem 0 }
.formula .scroll { flex: 1; padding: .2rem 0 } .formula span { color: var(--soft) }
math { font-size: 1.08em } details { margin: .5rem 0 } summary { cursor: pointer }
.tag { background: var(--tag); border-radius: .3rem; padding: .05rem .45rem; font-size: .8rem;
  color: var(--ink) }
nav a { margin-right: .9rem; white-space: nowrap } .sources li { margin: .5rem 0 }
.filter { display: inline; margin: 0 .2rem 0 0; accent-color: var(--mark) }
.filter + label { margin-right: .9rem; white-space: nowrap }
#only-published:checked ~ .notebooks .artefact:not(.published),
#only-recorded:checked ~ .notebooks .artefact:not(.recorded),
#only-live:checked ~ .notebooks .artefact:not(.live) { display: none }
@media (max-width: 30rem) { body { padding: 1rem .8rem 3rem } h1 { font-size: 1.4rem }
  h2 { font-size: 1.15rem } .abstract { padding: .2rem .7rem } }
@media print { body { max-width: none } a { color: inherit } }
"""


def page(title: str, body: str) -> str:
    """A whole page.

    Parameters
    ----------
    title : text of the tab.
    body : HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )
