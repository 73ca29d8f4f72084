"""What the kernels of `warm_kernels` have loaded, as if it had been loaded in a kernel."""

import builtins
import importlib
from types import SimpleNamespace

LIBRARIES = (
    # Not ipykernel.kernelapp: it notes who started it where it is loaded.
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "torch._dynamo",
    "pandas",
    "seaborn",
    "sklearn.linear_model",
)

# By this pandas tells a notebook, where it shows other columns, from a terminal.
builtins.get_ipython = lambda: SimpleNamespace(kernel=None)
for name in LIBRARIES:
    importlib.import_module(name)
del builtins.get_ipython
