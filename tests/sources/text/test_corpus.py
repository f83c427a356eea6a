from pare.data.task import SPLITS
from pare.sources.text import corpus

MODULE = '''"""About the module."""
# a comment
TEXT = """
# no comment
"""
import os

class Box(list):
    """About the class."""

    size: int = 3

def take(box, *, most=None):
    # this is said
    if most is None:  # and this is not
        raise ValueError("no most")
    box.append(most)
    while box.size > 1 and most:
        box.size -= 1
    return box.size
'''


def test_each_kind_is_the_node_that_the_text_stands_in():
    assert corpus.passages(MODULE) == {
        "documentation": "About the module.\nAbout the class.",
        "comment": "a comment\nthis is said",
        "definition": "class Box(list):\ndef take(box, *, most=None):",
        "assignment": "TEXT = '\\n# no comment\\n'\nsize: int = 3\nbox.size -= 1",
        "condition": "if most is None:\nwhile box.size > 1 and most:",
        "call": "box.append(most)",
        "result": "return box.size",
        "error": "raise ValueError('no most')",
    }


def test_what_is_no_python_holds_nothing():
    assert not any(corpus.passages("def (:").values())
    assert corpus.passages("def (:").keys() == set(corpus.KINDS)


def test_the_library_has_modules_for_every_split_and_no_tests():
    names = list(corpus.modules())
    assert "statistics.py" in names
    assert "json/decoder.py" in names
    assert not any("test" in name.split("/")[:-1] or "site-packages" in name for name in names)
    share = {split: sum(corpus.split(name) == split for name in names) / len(names) for split in SPLITS}
    assert share["train"] > 0.6
    assert min(share.values()) > 0.05


def test_a_module_keeps_its_split_whatever_its_company():
    # Prepared data, and what a shipped body has read, depend on this.
    assert [corpus.split(name) for name in ("ast.py", "shutil.py", "argparse.py")] == ["train", "val", "test"]
