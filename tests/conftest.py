"""Shared settings: one thread, and tiny data made once per worker."""

import gc
import os
from functools import partial

import pytest
import warm
import warm_kernels

# The process that hands tests to workers reads this file, too: libraries are loaded where needed.

# A file stays on one worker, and one that begins last is waited for: so these come first.
# What needs the site of another comes last of these, when it is built.
LONGEST = (
    "test_live_notebooks.py", "test_site.py", "test_transfer_runs.py", "test_scale.py",
    "test_adding.py", "test_cluster.py", "test_article.py", "test_browser.py",
)  # fmt: skip


def pytest_configure(config):
    # What is loaded stays: looking for what could go takes seconds while files are read, and later.
    gc.disable()
    # xdist would begin with the files of the most tests, which are not those that take longest.
    config.option.loadscopereorder = False
    if getattr(config.option, "tx", None) and not hasattr(config, "workerinput"):
        # Made once for all workers, which find them in their environment.
        warm.python()
        warm_kernels.use()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: warm_kernels.place(item.path.name, LONGEST))


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def smoke():
    from vjepa_lib import study

    return study.get_profile("smoke")


@pytest.fixture(scope="session")
def smoke_sets(smoke, tmp_path_factory):
    """The embedded domains at the smallest profile, in a folder of this session."""
    from vjepa_lib import study

    if "VJEPA_DATA" not in os.environ:
        os.environ["VJEPA_DATA"] = str(tmp_path_factory.mktemp("data"))
    return study.clip_sets(smoke.data, 1, False)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The documentation site, with all its pages."""
    from built_site import build

    return build(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def kernels():
    """Kernels of notebooks start at once, as in `make test`."""
    warm_kernels.use()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A laboratory with one small data set, for the tests of several processes."""
    from small_lab import make_lab

    return make_lab(tmp_path_factory.mktemp("lab"), ("ucf101",))


@pytest.fixture(scope="module")
def settings(lab):
    """(name, settings) -> a TOML file of the laboratory, with a run store of its own."""
    from small_lab import write_settings

    return partial(write_settings, lab)


@pytest.fixture(scope="module")
def uninterrupted(settings):
    """What a run leaves that nothing has disturbed."""
    from small_lab import train_whole

    return train_whole(settings)
