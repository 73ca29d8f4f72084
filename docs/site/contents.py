"""The table of contents, put under the README, which code hosts show without it."""

from __future__ import annotations

CONTENTS = """

```{toctree}
:caption: Notebooks
:hidden:
:glob:

notebooks/*
```

```{toctree}
:caption: Guides
:hidden:

docs/model
docs/datasets
docs/paper_protocol
docs/audit_another_paper
docs/speed
docs/analysis_plan
docs/design_log
data_manifests/recorded/README
```

```{toctree}
:caption: Reference
:hidden:

docs/api/index
CONTRIBUTING
CHANGELOG
```
"""


def _append(app, docname: str, source: list[str]) -> None:
    if docname == app.config.root_doc:
        source[0] += CONTENTS


def setup(app):
    app.connect("source-read", _append)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
