"""What readers see: the look of variants, plots, tables, a notebook's gallery, the report page.

`look` gives every variant its colour, marker and name; `plots` draws; `gallery` keeps a figure
with the data behind it; `notebook` opens a notebook and `sections` holds what several share.
"""

import lazy_loader

# Loaded on first use: notebooks on published numbers alone need no torch.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["look", "plots", "report", "sections"],
    submod_attrs={
        "gallery": ["Gallery", "read_index", "write_index"],
        "look": ["colour", "label", "style"],
        "notebook": ["Notebook", "open_notebook"],
        "tables": ["format_table"],
    },
)
