"""A run under Ray Train: local, and in a worker group on a real Ray."""

import errno
import platform
import time
import weakref
from functools import partial

import psutil
import pytest
import ray
import torch

from pare.errors import DiskFull, TrainingError
from pare.search.cluster import connection
from pare.training import launch
from pare.training.launch import Launch
from pare.training.loop import train
from pare.training.workers import Mailbox, Workers


def count_to(epochs, report):
    """A program that only counts."""
    for epoch in range(1, epochs + 1):
        if not report({"epoch": epoch}):
            return


def diverge(report):
    report({"epoch": 1})
    raise TrainingError("the loss became nan in epoch 2")


def crash(report):
    report({"epoch": 1})
    raise ZeroDivisionError("division by zero")


def local(program):
    return Launch(program, Workers(), "test", "unused")


def drain(launch):
    reports = []
    while (figures := launch.next()) is not None:
        reports.append(dict(figures))
    return reports


def test_reports_come_one_by_one():
    assert drain(local(partial(count_to, 3))) == [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_run_that_needs_too_much_memory_fails_and_gives_it_back():
    def program(report):
        held = torch.empty(2**28, dtype=torch.uint8, device="cuda")
        report({"epoch": 1})
        torch.empty(2**50, dtype=torch.uint8, device=held.device)

    with pytest.raises(TrainingError, match=r"OutOfMemoryError: asked for [\d.]+ GiB on a device of [\d.]+ GiB"):
        drain(local(program))
    assert torch.cuda.memory_reserved() == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_run_cannot_take_more_than_its_share_of_a_gpu():
    def program(report):
        torch.empty(torch.cuda.mem_get_info()[1] // 2, dtype=torch.uint8, device="cuda")

    try:
        with pytest.raises(TrainingError, match=r"OutOfMemoryError: asked for .* its share being .* GiB: give it"):
            drain(Launch(program, Workers(gpus=0.25), "test", "unused"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), TrainingError("no finite loss")])
def test_when_memory_is_given_back_a_failed_run_holds_nothing(error, monkeypatch):
    """A failed run's traceback must not keep its frames, and with them its tensors, alive."""
    held, at_the_end = [], []

    class Tensor:
        pass

    def program(report):
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        try:
            raise KeyError("of the tensor")
        except KeyError:
            raise error  # noqa: B904

    monkeypatch.setattr(launch, "_give_back", lambda: at_the_end.append(held[0]()))
    with pytest.raises(TrainingError):
        drain(local(program))
    assert at_the_end == [None]


def test_a_run_out_of_memory_says_what_it_asked_for_and_what_there_was():
    def program(report):
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.18 GiB of which 1.25 GiB"
            " is free. Including non-PyTorch memory, this process has 77.93 GiB memory in use. 19.80 GiB allowed; Of "
            "the allocated memory 1 GiB is allocated.\nSee documentation"
        )

    with pytest.raises(TrainingError, match=r"asked for 20.00 GiB on a device of 79.18 GiB with") as error:
        drain(local(program))
    assert "1.25 GiB free, its share being 19.80 GiB: give it a larger share of the GPU" in str(error.value)
    assert "\n" not in str(error.value)


ADVICE = (
    "\nCUDA kernel errors might be asynchronously reported\nCompile with `TORCH_USE_CUDA_DSA` to enable assertions."
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.AcceleratorError("CUDA error: out of memory" + ADVICE),
            "OutOfMemoryError: CUDA error: out of memory: give",
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), "OutOfMemoryError: CUDA"),
        (
            torch.AcceleratorError("CUDA error: device-side assert" + ADVICE),
            "AcceleratorError: CUDA error: device-side",
        ),
        (ValueError("while reading:\nrow 7 is empty"), "ValueError: row 7 is empty"),
    ],
)
def test_a_failed_run_says_what_went_wrong_and_not_the_general_advice(error, said):
    def program(report):
        raise error

    with pytest.raises(TrainingError) as found:
        drain(local(program))
    assert str(found.value).startswith(said)
    assert "TORCH_USE_CUDA_DSA" not in str(found.value)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps it")
def test_what_a_run_has_freed_goes_back_to_the_system(monkeypatch):
    monkeypatch.setattr(launch, "_LARGE", 0)
    kept = []

    def program(report):
        pieces = [b"x" * 50_000 for _ in range(6000)]
        kept.append(pieces[-1])  # what lies before it is free then, but not at the end of its arena
        report({"epoch": 1})

    before = psutil.Process().memory_full_info().uss
    drain(local(program))
    assert psutil.Process().memory_full_info().uss - before < 100e6


@pytest.mark.parametrize(("told", "threads"), [(None, 2), ("1", 1)])
@pytest.mark.skipif(torch.cuda.is_available(), reason="a run on a GPU leaves the threads alone")
def test_a_run_has_a_thread_for_each_cpu_or_as_many_as_it_is_told(told, threads, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS") if told is None else monkeypatch.setenv("OMP_NUM_THREADS", told)
    reports = drain(Launch(lambda report: report({"threads": torch.get_num_threads()}), Workers(1, 2.0), "", "unused"))
    torch.set_num_threads(1)
    assert reports == [{"threads": threads}]


def test_nothing_runs_past_a_stop():
    seen = []

    def program(report):
        for epoch in range(1, 6):
            seen.append(epoch)
            if not report({"epoch": epoch}):
                return

    launch = local(program)
    launch.next()
    launch.next()
    launch.stop()
    assert seen == [1, 2]
    assert launch.next() is None


def test_a_run_that_was_never_asked_can_be_stopped():
    launch = local(partial(count_to, 100))
    launch.stop()
    assert launch.next() is None


@pytest.mark.parametrize(
    ("program", "why"),
    [(diverge, "the loss became nan in epoch 2"), (crash, r"ZeroDivisionError: division by zero \(")],
)
def test_a_failure_is_told_with_its_reason(program, why):
    launch = local(program)
    assert launch.next() == {"epoch": 1}
    with pytest.raises(TrainingError, match=why) as error:
        launch.next()
    assert "\n" not in str(error.value)
    launch.stop()


def test_a_full_disk_is_no_fault_of_the_run():
    def program(report):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFull, match="No space left"):
        local(program).next()


def test_nobody_waits_for_an_answer_after_the_end():
    """A worker that Ray Train starts again reports once more, to a follower that has gone."""
    mailbox = Mailbox()
    mailbox.end(DiskFull("no space"))
    assert mailbox.report({"epoch": 1}) is False


@pytest.fixture(scope="module")
def two_cpus():
    """A Ray of two CPUs of our own; whole again after every test."""
    # With the dashboard: Ray Train asks it whether a group's owner lives, and without an answer takes the group away.
    connection.connect(None, num_cpus=2)
    yield
    ray.shutdown()


def nothing_is_left():
    """Every CPU free and no placement group alive, within a few seconds."""
    for _ in range(100):
        groups = [g for g in ray.util.placement_group_table().values() if g["state"] != "REMOVED"]
        if not groups and ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"]:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.ray
def test_a_worker_group_trains_like_one_worker(two_cpus, make_run, root, tmp_path):
    run = make_run("ecg", epochs=2)
    (tmp_path / "storage").mkdir()
    one = drain(local(partial(train, run, root, tmp_path / "one")))
    grouped = Launch(partial(train, run, root, tmp_path / "two"), Workers(2), "grouped", str(tmp_path / "storage"))
    two = drain(grouped)
    grouped.stop()
    assert [r["epoch"] for r in two] == [1, 2]
    for a, b in zip(one, two, strict=True):
        for name in ("loss", "loss_source", "lambda", "val_loss"):
            assert b[name] == pytest.approx(a[name], rel=1e-3), name
    assert nothing_is_left()


@pytest.mark.ray
def test_a_stopped_worker_group_leaves_nothing(two_cpus, make_run, root, tmp_path):
    run = make_run("ecg", epochs=50)
    (tmp_path / "storage").mkdir()
    launch = Launch(partial(train, run, root, tmp_path / "run"), Workers(2), "stopped", str(tmp_path / "storage"))
    assert launch.next()["epoch"] == 1
    launch.stop()
    assert nothing_is_left()


@pytest.mark.ray
def test_a_diverging_worker_group_is_not_restarted(two_cpus, tmp_path):
    launch = Launch(diverge_on_the_leader, Workers(2), "diverging", str(tmp_path))
    assert launch.next()["epoch"] == 1
    with pytest.raises(TrainingError, match="the loss became nan"):
        launch.next()
    launch.stop()
    assert nothing_is_left()


def diverge_on_the_leader(report):
    import torch.distributed as dist

    if dist.get_rank() == 0:
        report({"epoch": 1})
    raise TrainingError("the loss became nan in epoch 2")
