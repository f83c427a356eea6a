"""The set-up log monitor finds nodes whose set-up fails again and again, and what it printed."""

import pytest

from pare.search.cluster.setup_log import SetupLogMonitor

# As the autoscaler writes it, colours included, shortened.
FAILED = """\
2026-11-24 09:13:14,251\tVINFO command_runner.py:399 -- Running `\x1b[1mbash ~/pare/cluster/node.sh aws\x1b[22m\x1b[26m`
2026-11-24 09:13:14,251\tVVINFO command_runner.py:401 -- Full command is `ssh -tt ...`
error: Failed to write to the cache
  Caused by: No space left on device (os error 28)
Shared connection to 172.31.48.5 closed.
2026-11-24 09:13:14,300\tINFO log_timer.py:25 -- AWSNodeProvider: Set tag ray-node-status=setting-up on ['i-0b']
2026-11-24 09:13:14,359\tINFO log_timer.py:25 -- NodeUpdater: i-0a: Setup commands \x1b[31mfailed\x1b[39m
2026-11-24 09:13:15,383\tERR updater.py:177 -- New status: update-failed
"""
READY = "2026-11-24 09:14:14,359\tINFO log_timer.py:25 -- NodeUpdater: i-0a: Ray start commands succeeded\n"
WHY = "i-0a: error: Failed to write to the cache / Caused by: No space left on device (os error 28)"


@pytest.fixture
def follow(tmp_path):
    """Follows a log that already tells of an earlier cluster's failures; gives what appends to it and looks."""
    log = tmp_path / "monitor.out"
    log.write_text(FAILED * 5)
    setups = SetupLogMonitor(log)

    def more(text):
        with log.open("a") as file:
            file.write(text)
        setups.look()
        return setups.hopeless

    return more


def test_the_third_failure_of_a_node_is_told_with_what_it_printed(follow):
    assert follow(FAILED * 2) == ""
    assert follow(FAILED[:400]) == ""  # it may be read in the middle of a line
    assert follow(FAILED[400:]) == WHY
    assert follow("") == WHY


def test_nodes_that_fail_in_a_row_are_told(follow):
    assert follow("".join(FAILED.replace("i-0a", name) for name in ("i-0a", "i-0b"))) == ""
    assert follow(FAILED.replace("i-0a", "i-0c")).startswith("i-0c: error: Failed")


def test_a_success_between_forgives(follow):
    # A spot node that is lost during its set-up fails once; over days there are many.
    for name in "abcdefgh":
        assert follow(FAILED.replace("i-0a", f"i-0{name}") + READY) == ""
    assert follow(FAILED * 2 + READY + FAILED * 2) == ""


def test_set_up_without_a_word_is_told_by_its_name(follow):
    silent = "\n".join(line for line in FAILED.splitlines() if line[:4] == "2026") + "\n"
    assert follow(silent * 3) == "i-0a: Setup commands failed"


def test_a_log_that_comes_later_is_followed(tmp_path):
    setups = SetupLogMonitor(tmp_path / "monitor.out")
    setups.look()
    assert setups.hopeless == ""
    (tmp_path / "monitor.out").write_text(FAILED * 3)
    setups.look()
    assert setups.hopeless == WHY


def test_the_past_tells_on_which_nodes_set_up_failed_last(tmp_path):
    log = tmp_path / "monitor.out"
    log.write_text(FAILED + READY + FAILED.replace("i-0a", "i-0b"))
    setups = SetupLogMonitor(log, past=True)
    setups.look()
    assert list(setups.failed) == ["i-0b"]
    assert WHY.endswith(setups.failed["i-0b"])
