"""The first page shows what is recorded today: text, table and pictures."""

import json

import pytest

from vjepa_lib.errors import DataError
from vjepa_lib.show import front


def test_the_readme_says_what_the_recorded_runs_show():
    text = front.README.read_text(encoding="utf-8")
    for name in front.PIECES:
        assert f"<!-- made: {name} -->" in text
    assert front.fill(text) == text, "run: make notebooks"


def test_pictures_are_of_the_recorded_numbers():
    assert front.stale() == [], "run: make notebooks"
    text = front.README.read_text(encoding="utf-8")
    for name in front.DRAWN:
        assert f"](docs/pictures/{name}.png)" in text
        assert f"![](docs/pictures/{name}.png)" not in text, "a picture needs words"


def test_other_numbers_make_a_picture_stale(tmp_path, monkeypatch):
    for name in front.DRAWN:
        (tmp_path / f"{name}.png").write_bytes(b"")
    index = {name: picture.digest() for name, picture in front.DRAWN.items()}
    (tmp_path / "index.json").write_text(json.dumps(index))
    assert front.stale(tmp_path) == []
    real = front.DRAWN["answer"]
    moved = front.Picture(lambda: real.data().assign(score=lambda t: t.score + 0.1), real.draw)
    monkeypatch.setitem(front.DRAWN, "answer", moved)
    assert front.stale(tmp_path) == ["answer"]
    (tmp_path / "verdicts.png").unlink()
    assert front.stale(tmp_path) == ["answer", "verdicts"]


def test_a_changed_number_in_a_piece_is_noticed(monkeypatch):
    text = "<!-- made: verdicts -->\nold\n<!-- end -->\nrest"
    monkeypatch.setitem(front.PIECES, "verdicts", lambda: "12 of 12")
    assert front.fill(text) == "<!-- made: verdicts -->\n\n12 of 12\n\n<!-- end -->\nrest"
    with pytest.raises(DataError, match="No piece 'weather'"):
        front.fill("<!-- made: weather -->\n<!-- end -->")


def test_half_an_index_of_pictures_makes_them_stale(tmp_path):
    for name in front.DRAWN:
        (tmp_path / f"{name}.png").write_bytes(b"")
    (tmp_path / "index.json").write_text('{"answer": "12')
    assert front.stale(tmp_path) == list(front.DRAWN)
