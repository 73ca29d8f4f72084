"""The report as a paper: what was asked, done and found, every number inserted from results.

`evidence` gathers what the text may use, `statements` and `tables` turn it into sentences and
tables, `setting` and `findings` hold the sections, `write` makes the PDF and the page's opening.
"""

import lazy_loader

# Loaded on first use: sources alone need no torch.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["statements", "tables", "write"],
    submod_attrs={
        "evidence": ["Evidence", "gather", "headline"],
        "write": ["article", "opening", "pages", "publish"],
    },
)
