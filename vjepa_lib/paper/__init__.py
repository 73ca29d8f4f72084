"""The profile `paper`: from manifests on disk to the table, on one machine or several.

`python -m vjepa_lib.paper {train,probe,status,table} --config paper.toml`. Training and every probe
of an encoder are runs of their own in one store, so each is done once, survives a kill, and can be
done on another machine. docs/paper_protocol.md has the commands.
"""

from vjepa_lib.paper.config import PROTOCOLS, Settings, load_settings
from vjepa_lib.paper.probing import evaluate_official, probe
from vjepa_lib.paper.tables import plan, status, table, write_table
from vjepa_lib.paper.training import TrainingRun, load_encoder, train, training_run

__all__ = [
    "PROTOCOLS",
    "Settings",
    "TrainingRun",
    "evaluate_official",
    "load_encoder",
    "load_settings",
    "plan",
    "probe",
    "status",
    "table",
    "train",
    "training_run",
    "write_table",
]
