"""The timed forms are equal, the fast ones faster, and the table shows it."""

import time

import pytest
import torch

from vjepa_lib.bench import bench
from vjepa_lib.bench.reference import epps_pulley_by_point
from vjepa_lib.objectives.sigreg import epps_pulley


def test_ratio_is_of_times_in_one_run():
    row = bench.compare("sleep", lambda: time.sleep(0.02), lambda: time.sleep(0.002), rounds=3)
    assert 5 < row.ratio < 12
    assert "| sleep" in bench.table([row])


@pytest.mark.parametrize("kind", ["multiblock", "motion_guided"])
def test_masks_are_many_times_faster_than_the_plain_loop(kind):
    with bench.one_thread():
        assert bench.masks(kind).ratio > 5  # 10 is the aim on a quiet machine


def test_distances_are_many_times_faster_than_token_by_token():
    with bench.one_thread():
        assert bench.context_distances().ratio > 30


def test_point_by_point_statistic_is_the_same():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(epps_pulley(x), epps_pulley_by_point(x), rtol=1e-4, atol=1e-5)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with bench.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
