"""What notebooks begin with: settings from parameters and environment, errors in one sentence."""

import pytest

from vjepa_lib import notebook, study
from vjepa_lib.errors import ConfigError


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in ("VJEPA_PROFILE", "VJEPA_SEEDS", "VJEPA_JOBS", "VJEPA_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VJEPA_FIGURES", str(tmp_path))


def test_defaults_are_mini_on_the_cpu(tmp_path):
    nb = notebook.setup("07_example")
    assert nb.profile.name == "mini" and nb.seeds == (0, 1) and nb.device == "cpu"
    assert nb.out.folder == tmp_path and nb.out.profile == "mini" and nb.jobs >= 1


def test_environment_and_parameters(monkeypatch):
    monkeypatch.setenv("VJEPA_PROFILE", "smoke")
    monkeypatch.setenv("VJEPA_SEEDS", "3,5")
    nb = notebook.setup("07_example")
    assert nb.profile.name == "smoke" and nb.seeds == (3, 5)
    assert notebook.setup("07_example", "mini", [9]).seeds == (9,)
    assert notebook.setup("01_example", published=True).out.profile == ""


def test_configs_and_hashes():
    nb = notebook.setup("07_example", "smoke", [0, 1])
    configs = nb.configs([("baseline", "released"), ("ld", "released")])
    assert [(c.variant, c.seed) for c in configs] == [
        ("baseline", 0), ("ld", 0), ("baseline", 1), ("ld", 1),
    ]
    assert len(set(nb.hashes(configs))) == 4


def test_an_unknown_profile_is_told():
    with pytest.raises(ConfigError, match="smoke, mini"):
        notebook.setup("07_example", "huge")


def test_errors_of_users_are_one_line_and_ours_keep_their_traceback():
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell.instance()
    notebook.setup("07_example", "smoke")
    assert shell.custom_exceptions
    lines = notebook._one_sentence(shell, ConfigError, ConfigError("say this"), None)
    assert lines == ["ConfigError: say this"]
    type(shell).clear_instance()


def test_one_seed_of_a_supervised_reference():
    wanted = study.runs_for(["03"], "smoke", (0, 1))
    kinds = [c.kind for c in wanted]
    assert kinds.count("supervised") == kinds.count("single_frame") == 1
    assert kinds.count("random_init") == 2
