"""Shared settings: one thread, and tiny data made once per worker."""

from functools import partial

import pytest
import torch
from small_lab import make_lab, train_whole, write_settings

from vjepa_lib import study

# A file stays on one worker, and one that begins last is waited for: so these come first.
LONGEST = ("test_transfer_runs.py", "test_cluster.py", "test_scale.py", "test_adding.py")


def pytest_configure(config):
    # xdist would begin with the files of the most tests, which are not those that take longest.
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    items.sort(key=lambda i: LONGEST.index(i.path.name) if i.path.name in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def smoke():
    return study.get_profile("smoke")


@pytest.fixture(scope="session")
def smoke_sets(smoke, tmp_path_factory):
    """The embedded domains at the smallest profile, in a folder of this session."""
    import os

    if "VJEPA_DATA" not in os.environ:
        os.environ["VJEPA_DATA"] = str(tmp_path_factory.mktemp("data"))
    return study.clip_sets(smoke.data, 1, False)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A laboratory with one small data set, for the tests of several processes."""
    return make_lab(tmp_path_factory.mktemp("lab"), ("ucf101",))


@pytest.fixture(scope="module")
def settings(lab):
    """(name, settings) -> a TOML file of the laboratory, with a run store of its own."""
    return partial(write_settings, lab)


@pytest.fixture(scope="module")
def uninterrupted(settings):
    """What a run leaves that nothing has disturbed."""
    return train_whole(settings)
