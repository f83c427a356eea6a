"""A file is whole or the old one, whatever happens while it is written."""

import pytest

from pare import files


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "table.bin"
    with files.atomic(path) as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists()
        assert temporary.name.startswith(".table.bin.")
        assert temporary.suffix == ".tmp"
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]


def test_what_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "notes.txt"
    files.write_text(path, "ρ")

    def broken():
        with files.atomic(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert path.read_text(encoding="utf-8") == "ρ"
    assert list(tmp_path.iterdir()) == [path]
