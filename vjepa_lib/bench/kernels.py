"""How long a GPU works in one call: in the rest of the time it waits for the host."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile


def kernel_seconds(form: Callable[[], object]) -> float:
    """Seconds that the kernels and copies of one call take on the GPU, as the profiler sees them.

    They follow one another on one stream, so their sum is the time in which the GPU works. The
    profiler slows the host down, not the kernels: compare the sum with a time taken without it.

    Returns
    -------
    float; 0 where the profiler may not look at the GPU, as in some containers.
    """
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        form()
        torch.cuda.synchronize()
    # Operators of the host carry the time of their kernels too, which would count them twice.
    return 1e-6 * sum(
        event.self_device_time_total
        for event in seen.key_averages()
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    )
