"""Commands under `torchrun --max-restarts`: what a restart cannot mend ends the job."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress


def end_restarts(patience: float = 10.0) -> None:
    """Let `torchrun` end at once where it would restart: a wrong argument stays wrong.

    No exit status tells it so; it is asked to stop as a cluster asks. Its other processes wait for
    that, since one that ended first would begin a restart.
    """
    get = os.environ.get
    if int(get("TORCHELASTIC_RESTART_COUNT", 0)) >= int(get("TORCHELASTIC_MAX_RESTARTS", 0)):
        return
    agent = os.getppid()
    if int(get("LOCAL_RANK", 0)) > 0:
        time.sleep(patience)
    if os.getppid() == agent:  # where it has ended, the parent is another that must not be stopped
        with suppress(ProcessLookupError):
            os.kill(agent, signal.SIGTERM)
    time.sleep(patience)  # it ends its processes
