"""Checkpoints from outside with a fault: the right network or one sentence, and no memory."""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from test_checkpoints import NEW, NEW_PREDICTOR, OLD, hf_model, lively, repository_names

from vjepa_lib.errors import CompanionError, ConfigError, DataError
from vjepa_lib.model.checkpoints import load_encoder, load_predictor, open_encoder
from vjepa_lib.model.vit import Encoder, Predictor

quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)
CLIP = {"size": 24, "frames": 4}


@pytest.fixture(scope="module")
def states():
    """Encoder and predictor of a training checkpoint, and a model of Hugging Face."""
    torch.manual_seed(0)
    encoder, predictor = repository_names(
        lively(Encoder(NEW)), lively(Predictor(NEW, NEW_PREDICTOR))
    )
    # Two heads at width 32 are no official model: a folder with config.json says so.
    return encoder, predictor, hf_model().state_dict()


def folder(tmp_path, state, heads=2):
    """A model folder with one file and a config.json."""
    tmp_path.mkdir(exist_ok=True)
    torch.save(state, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": heads}))
    return tmp_path


def strip(state):
    return {name.removeprefix("module.backbone."): value for name, value in state.items()}


def one_sentence(error):
    assert str(error) and "\n" not in str(error) and len(str(error)) < 700


def test_the_untouched_checkpoints_are_opened(states, tmp_path):
    encoder, _, theirs = states
    opened, loaded = open_encoder(folder(tmp_path, {"target_encoder": encoder}), **CLIP)
    assert loaded.version == "V-JEPA 2.1" and opened.cfg.depth == 4
    opened, loaded = open_encoder(folder(tmp_path, theirs), **CLIP)
    assert loaded.version == "V-JEPA 2" and opened.cfg.depth == 3


MEMORY = """
import resource, sys
from vjepa_lib.errors import CompanionError
from vjepa_lib.model.checkpoints import open_encoder
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try: open_encoder(path, size=24, frames=4)
    except CompanionError as error: print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_names_and_views_that_claim_a_huge_network_take_no_memory(states, tmp_path):
    state = strip(states[0])
    patches = "patch_embed.proj.weight"
    lies = {
        "has 'blocks.1000000000.attn": {"blocks.1000000000.attn.qkv.weight": torch.zeros(96, 32)},
        "has blocks.100000000 but not": {"blocks.100000000.attn.qkv.weight": torch.zeros(96, 32)},
        "has 'norms_block.1000000000": {"norms_block.1000000000.weight": torch.zeros(32)},
        # One number, seen as a patch embedding of width 2^24; and a wide one of a single pixel.
        "but fewer numbers": {patches: torch.zeros(1).expand(2**24, 3, 2, 8, 8)},
        "is [32] in": {patches: torch.zeros(2**17, 3, 1, 1, 1)},
    }
    paths = []
    for number, change in enumerate(lies.values()):
        paths.append(folder(tmp_path / str(number), {"encoder": state | change}, heads=4))
    limit = 8 << 30
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    *sentences, megabytes = done.stdout.strip().splitlines()
    assert done.returncode == 0 and int(megabytes) < 300, done.stderr
    for says, sentence in zip(lies, sentences, strict=True):
        assert says in sentence


@pytest.mark.parametrize(
    "change, says",
    [
        ({"blocks.x.norm1.weight": torch.zeros(3)}, "has 'blocks.x.norm1.weight', which is no we"),
        ({"blocks.9.norm1.weight": torch.zeros(32)}, r"has blocks\.9 but not blocks\.4"),
        ({"norms_block.x.weight": torch.zeros(32)}, "has 'norms_block.x.weight', which is no"),
        ({"norms_block.7.weight": torch.zeros(32)}, r"has norms_block\.7 but not norms_block\.4"),
        ({"blocks.0.extra": torch.zeros(3)}, "has blocks of unlike weights"),
        (
            {"patch_embed.proj.weight": torch.zeros(32, 3, 2, 8, 4)},
            "has a patch embedding of shape",
        ),
        (
            {"patch_embed.proj.weight": torch.zeros(32, 1, 2, 8, 8)},
            "has a patch embedding of shape",
        ),
        ({"patch_embed.proj.weight": torch.zeros(0, 3, 2, 8, 8)}, "has a patch embedding of shape"),
        ({"patch_embed.proj.weight": torch.zeros(())}, "no 3-D patch embedding"),
        ({"patch_embed_img.proj.weight": torch.zeros(())}, "patch_embed_image.weight of .* shape"),
        ({"blocks.0.mlp.fc1.weight": torch.zeros(128)}, "no 3-D patch embedding and blocks"),
        ({"blocks.1.mlp.fc1.weight": torch.zeros(9, 9)}, r"blocks\.1\.fc1\.weight is \[9, 9\]"),
        ({"norms_block.0.bias": torch.full((32,), torch.nan)}, "holds values that are not finite"),
        ({"norms_block.0.bias": torch.zeros(32, dtype=torch.int8)}, "is int8, not real numbers"),
        ({"norms_block.0.bias": torch.zeros(32).to_sparse()}, "is no plain array"),
        ({"norms_block.0.bias": torch.zeros(1).expand(32)}, r"has shape \[32\], but fewer numbers"),
        ({7: torch.zeros(3)}, "calls a weight 7"),
        ({"module.norms_block.0.bias": torch.zeros(32)}, "has 'norms_block.0.bias' twice"),
    ],
)
def test_encoders_that_no_program_wrote(states, tmp_path, change, says):
    path = folder(tmp_path, {"encoder": strip(states[0]) | change})
    with pytest.raises(CompanionError, match=says) as caught:
        open_encoder(path, **CLIP)
    one_sentence(caught.value)
    with pytest.raises(CompanionError) as caught:
        load_encoder(Encoder(NEW), path)
    one_sentence(caught.value)


@pytest.mark.parametrize(
    "change, says",
    [
        ({"mask_tokens.x": torch.zeros(1, 1, 24)}, "has 'mask_tokens.x', which is no weight"),
        ({"mask_tokens.5": torch.zeros(1, 1, 24)}, r"has mask_tokens\.5 but not mask_tokens\.2"),
        ({"mask_tokens.1": torch.zeros(1, 1, 7)}, r"mask_tokens\.1 of .* has shape \[7\]"),
        ({"mask_tokens.0.x": torch.zeros(1)}, "no place for, first mask_tokens.0.x"),
    ],
)
def test_predictors_that_no_program_wrote(states, tmp_path, change, says):
    path = folder(tmp_path, {"predictor": strip(states[1]) | change})
    with pytest.raises(CompanionError, match=says) as caught:
        load_predictor(Predictor(NEW, NEW_PREDICTOR), path)
    one_sentence(caught.value)


def test_hugging_face_models_that_no_program_wrote(states, tmp_path):
    key = "encoder.layer.1.attention.key.weight"
    for change, says in [
        ({key: torch.zeros(9, 32)}, "key and value of different shapes or types"),
        ({key: torch.zeros(())}, "key and value of different shapes or types"),
        ({key: states[2][key].half()}, "key and value of different shapes or types"),
        ({"encoder.layer.x.norm1.weight": torch.zeros(1)}, "which is no weight of V-JEPA"),
        ({"predictor.embeddings.mask_tokens": torch.zeros(24)}, "has shape"),
    ]:
        path = folder(tmp_path, states[2] | change)
        with pytest.raises(CompanionError, match=says) as caught:
            open_encoder(path, **CLIP)
            load_predictor(Predictor(OLD, NEW_PREDICTOR), path)
        one_sentence(caught.value)


@pytest.mark.parametrize("heads", [0, -2, True, 2.5, "2", None, 1e400, [2], 10**9])
def test_heads_that_no_network_has(states, tmp_path, heads):
    with pytest.raises(ConfigError, match=r"config\.json gives .* for num_attention_heads"):
        open_encoder(folder(tmp_path, {"encoder": states[0]}, heads), **CLIP)


@pytest.mark.parametrize(
    "content",
    [
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        "\udcff",
        '{"weight_map": []}',
        '{"weight_map": {}}',
        '{"weight_map": {"a": 7}}',
        '{"weight_map": {"a": [1]}}',
        '{"weight_map": {"a": null, "b": "c"}}',
        '{"weight_map": {"a": "../other/model.safetensors"}}',
        '{"weight_map": {"a": "/etc/passwd"}}',
        '{"weight_map": {"a": ""}}',
        '{"weight_map": {"a": ".."}}',
        '{"weight_map": {"a": "x\\u0000"}}',
    ],
)
def test_indices_of_shards_that_point_elsewhere(tmp_path, content):
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match="download it again|download it or correct") as caught:
        load_encoder(Encoder(NEW), tmp_path)
    one_sentence(caught.value)


@given(data=st.data())
@quick
def test_any_change_of_a_state_is_a_network_or_a_sentence(states, data):
    which = data.draw(st.sampled_from([0, 1, 2]))
    state = strip(states[which])
    name = data.draw(st.sampled_from(sorted(state)))
    kind = data.draw(st.sampled_from(["drop", "shape", "name", "dtype", "more"]))
    if kind == "drop":
        del state[name]
    elif kind == "shape":
        state[name] = torch.zeros(data.draw(st.lists(st.integers(0, 9), max_size=5)))
    elif kind == "name":
        at = data.draw(st.integers(0, len(name)))
        new = data.draw(st.text(max_size=3) | st.sampled_from([".", "0", "-1", "²", "blocks."]))
        state[name[:at] + new + name[at + 1 :]] = state.pop(name)
    elif kind == "dtype":
        kinds = [torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.complex64]
        state[name] = state[name].to(data.draw(st.sampled_from(kinds)))
    else:
        state[data.draw(st.text(max_size=8))] = torch.zeros(2)
    raw = state if which == 2 else {["encoder", "predictor"][which]: state}
    with tempfile.TemporaryDirectory() as place:
        path = folder(Path(place) / "m", raw)
        for read in (
            lambda: open_encoder(path, **CLIP),
            lambda: load_encoder(Encoder(OLD if which == 2 else NEW), path),
            lambda: load_predictor(Predictor(NEW, NEW_PREDICTOR), path),
        ):
            try:
                read()
            except CompanionError as error:
                one_sentence(error)


@given(data=st.data())
@quick
def test_any_bytes_in_a_file_are_a_network_or_a_sentence(states, data):
    suffix = data.draw(st.sampled_from([".safetensors", ".pt"]))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"m{suffix}"
        state = {name: value.contiguous() for name, value in strip(states[0]).items()}
        save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            low = data.draw(st.integers(0, min(len(content) - 1, 6000)))
            content[low : low + 3] = data.draw(st.binary(min_size=3, max_size=3))
        cut = data.draw(st.sampled_from([len(content), len(content) // 2, 9]))
        path.write_bytes(bytes(content[:cut]))
        try:
            load_encoder(Encoder(NEW), path)
        except CompanionError as error:
            one_sentence(error)
