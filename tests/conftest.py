"""Shared settings: one thread, and tiny data made once per worker."""

import pytest
import torch

from vjepa_lib import study


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
