"""What a job tells the sweep survives its way through a mapping."""

from pare.search import reports
from pare.search.reports import EpochReport, Failure, TestReport


def test_a_test_comes_back_as_it_was():
    for report in (TestReport(0.25), TestReport(0.25, {"false negatives": 40.0, "rMSE": 0.5})):
        assert reports.read(report.figures()) == report


def test_an_epoch_keeps_all_its_figures():
    figures = {"epoch": 2, "objective": 0.5, "seconds": 10.0, "loss": 1.5}
    assert reports.read(figures) == EpochReport(2, 0.5, 10.0, figures)


def test_a_failure_is_the_last_result_of_a_trial():
    for failure in (Failure("the loss became nan"), Failure("no space", disk_full=True), Failure("")):
        assert failure.result()["done"]
        assert Failure.of(failure.result()) == failure
    assert Failure.of({"done": True}) is None
