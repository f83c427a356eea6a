"""The shipped YAMLs, unmodified, on pretended machines: up, a sweep that loses its spot node, down, nothing left."""

import os
import shutil
import threading
import time
from contextlib import contextmanager
from datetime import datetime

import optuna
import pytest

from pare import tasks
from pare.data import store
from pare.reporting import read
from tests.cluster.lab.lab import REPOSITORY, Lab, missing

pytestmark = [
    pytest.mark.cluster_lab,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

PROJECT = ("cluster", "pare", "sweeps", "pyproject.toml", "constraints.txt", "README.md", "LICENSE")
BUCKET = "pare-123456789012-us-west-2"
"""The bucket's name, as set-up makes it with moto's account."""
SWEEP = (
    "python ~/pare/sweeps/nas360.py --address auto --tasks ecg --preset laptop --trials 3 --epochs 10 --seeds 1 "
    f"--out s3://{BUCKET}/"
)
JOB = "ray job {} --address http://127.0.0.1:8265"
HEAD = "ray-pare-head"


@pytest.fixture(scope="module")
def ami(root, tmp_path_factory):
    """Files of a machine's image: a stand-in for uv, and small prepared data."""
    ami = tmp_path_factory.mktemp("ami")
    shutil.copytree(root, ami / ".cache" / "pare")
    for name in ("ecg", "darcy", "signals", "fractals", "fractal-masks"):
        store.prepare(tasks.get(name), ami / ".cache" / "pare", "laptop", lambda *_: None)
    uv = ami / ".local" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / "tests" / "cluster" / "lab" / "uv.sh", uv)
    uv.chmod(0o755)
    return ami


def bring_project(lab):
    """The laptop's own copy of the repository."""
    lab.laptop(f"mkdir -p project && cd /repository && cp -r {' '.join(PROJECT)} ~/project/ && chmod -R u+w ~/project")


@pytest.fixture(scope="module")
def lab(ami, tmp_path_factory):
    """A lab whose AWS account is set up as the README says."""
    with Lab(tmp_path_factory.mktemp("aws") / "lab", ami) as lab:
        bring_project(lab)
        lab.laptop("cd project && python cluster/setup_aws.py --region us-west-2 --allow 10.77.0.0/16", timeout=300)
        # moto does not look at a policy's condition: it would refuse all transport, not only what is not encrypted.
        lab.aws("s3", "delete_bucket_policy", Bucket=BUCKET)
        yield lab
        lab.laptop(
            "cd project && python cluster/setup_aws.py --region us-west-2 --remove --delete-results", timeout=300
        )
        assert not lab.aws("s3", "list_buckets")["Buckets"]


@contextmanager
def timed(what):
    """Tell how long it took, where pytest shows what tests print (-s)."""
    began = time.monotonic()
    yield
    print(f"{datetime.now():%H:%M:%S} {what}: {time.monotonic() - began:.0f} s", flush=True)


def until(what, condition, seconds, over=lambda: False):
    """Wait for a condition; fail at once where all is `over` before it."""
    with timed(what):
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            assert not over(), f"{what}: it is over"
            time.sleep(1)
        return answer


def running(out, *states):
    """The numbers of the trials that are at work and have reported, or that are in one of the states given."""
    path = out / "ecg" / "study.db"
    if not path.exists():
        return []
    try:
        trials = optuna.load_study(study_name="ecg", storage=f"sqlite:///{path}").trials
    except (KeyError, OSError):
        return []
    return [t.number for t in trials if t.state.name in (states or ("RUNNING",)) and t.intermediate_values]


def job_ended(lab, host):
    """Return whether the job has ended, and print its log if it failed."""
    said = lab.host(host, JOB.format("status") + " sweep", timeout=60, check=False).stdout
    ended = any(word in said for word in ("succeeded", "failed"))
    if "failed" in said:
        print(lab.host(host, JOB.format("logs") + " sweep", timeout=120, check=False).stdout)
    return ended


def workspace(lab, host, run):
    """Return the head's copy of a sweep's folder in the bucket."""
    return lab.home(host) / ".cache" / "pare" / "runs" / BUCKET / run


def every_trial_ended_once(lab, run):
    """Look at what lies in the bucket, from the laptop."""
    pull = f"from pathlib import Path; Folder('s3://{BUCKET}/{run}').pull_folder('', Path('runs/{run}'))"
    lab.laptop(f'cd project && python -c "from pare.bucket import Folder; {pull}"', timeout=300)
    out = lab.home("laptop") / "project" / "runs" / run
    swept = read(out)
    assert len(swept.trials) == 3
    assert set(swept.trials.state) <= {"complete", "pruned"}
    assert sorted(swept.confirm.method) == ["cutmix", "nft", "pare"]
    assert set(swept.confirm.state) == {"complete"}
    states = [t.state.name for t in optuna.load_study(study_name="ecg", storage=f"sqlite:///{out}/ecg/study.db").trials]
    assert len(states) == 3
    assert set(states) <= {"COMPLETE", "PRUNED"}


def nothing_runs(lab):
    assert not lab.instances("pending", "running", "stopping", "stopped")
    until("machines halt", lambda: set(lab.machines()) == {"laptop"}, 60)


def nodes(lab, host):
    """Count the cluster's living nodes besides its head."""
    count = "import ray; ray.init(address='auto', log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()) - 1)"
    said = lab.host(host, f'python -c "{count}"', 120, check=False).stdout.split()
    return int(next((word for word in reversed(said) if word.isdigit()), 0))  # Ray may warn after it


def submit_job(lab, run):
    """Start a job from the laptop as the README says; returns a check whether it is over."""
    submit = JOB.format("submit") + f" --no-wait --submission-id sweep -- {SWEEP}{run} --max-concurrent 2"
    lab.laptop(f"cd project && ray exec cluster/aws.yaml '{submit}'", timeout=300)
    return lambda: job_ended(lab, HEAD)


def test_a_sweep_on_aws_outlives_its_spot_node(lab):
    with timed("ray up"):
        lab.laptop("cd project && ray up -y cluster/aws.yaml", timeout=600)
    over = submit_job(lab, "spot")
    until("two workers", lambda: nodes(lab, HEAD) == 2, 900, over)
    until("a trial at work", lambda: running(workspace(lab, HEAD, "spot")), 900, over)
    spot = [each for each in lab.instances("running") if each.get("InstanceLifecycle") == "spot"]
    assert len(spot) == 2
    lab.aws("ec2", "terminate_instances", InstanceIds=[spot[0]["InstanceId"]])
    until("the node is missed", lambda: nodes(lab, HEAD) < 2 or job_ended(lab, HEAD), 300)
    until("the node is replaced", lambda: nodes(lab, HEAD) == 2 or job_ended(lab, HEAD), 900)
    until("the sweep", lambda: job_ended(lab, HEAD), 1800)
    labels = "import ray; ray.init(address='auto', log_to_driver=False); print([n['Labels'] for n in ray.nodes()])"
    prices = lab.host(HEAD, f'python -c "{labels}"', timeout=120).stdout
    assert "'usd-per-hour': '0.202'" in prices
    assert "'usd-per-hour': '0.322'" in prices
    print(lab.host(HEAD, JOB.format("logs") + " sweep", timeout=120).stdout)
    every_trial_ended_once(lab, "spot")
    until("workers idle out", lambda: len(lab.instances("running")) == 1, 600)
    with timed("ray down"):
        lab.laptop("cd project && ray down -y cluster/aws.yaml", timeout=600)
    nothing_runs(lab)


def test_a_lost_head_costs_time_only(lab):
    lab.laptop("cd project && ray up -y cluster/aws.yaml", timeout=600)
    over = submit_job(lab, "head")
    out = workspace(lab, HEAD, "head")
    until("a trial at work", lambda: running(out), 900, over)
    until("an end", lambda: len(running(out, "COMPLETE", "PRUNED")) >= 1, 900, over)
    (head,) = [each for each in lab.instances("running") if each["InstanceType"].startswith("m7i")]
    lab.aws("ec2", "terminate_instances", InstanceIds=[head["InstanceId"]])
    until("the head is gone", lambda: head["InstanceId"] not in lab.machines(), 60)
    with timed("ray up again"):
        lab.laptop("cd project && ray up -y cluster/aws.yaml", timeout=600)
    submit_job(lab, "head")
    until("the sweep", lambda: job_ended(lab, HEAD), 1800)
    print(lab.host(HEAD, JOB.format("logs") + " sweep", timeout=120).stdout)
    every_trial_ended_once(lab, "head")
    lab.laptop("cd project && ray down -y cluster/aws.yaml", timeout=600)
    nothing_runs(lab)


def test_set_up_that_fails_on_the_workers_ends_the_sweep(lab):
    prepare = "~/pare/.venv/bin/python -m pare.tasks.prepare [a-z -]*"
    change = f"s|{prepare}|echo no space left >\\&2; exit 7|"
    lab.laptop(
        f"cd project && sed '{change}' cluster/aws.yaml >cluster/broken.yaml && grep -q 'exit 7' cluster/broken.yaml"
    )
    lab.laptop("cd project && ray up -y cluster/broken.yaml", timeout=600)
    done = lab.host(HEAD, f"{SWEEP}broken", timeout=1200, check=False)
    ended = datetime.now()
    assert done.returncode == 2
    assert "set-up fails on the workers" in done.stderr
    assert "no space left" in done.stderr
    log = lab.host(HEAD, "grep -h 'Setup commands' /tmp/ray/session_latest/logs/monitor.out").stdout
    failed = [datetime.fromisoformat(line[:19]) for line in log.splitlines() if "failed" in line]
    print(f"set-ups that failed: {failed}, ended: {ended}")
    assert (ended - failed[2]).total_seconds() < 120
    assert not (workspace(lab, HEAD, "broken") / "ecg").exists()
    lab.laptop("cd project && ray down -y cluster/broken.yaml", timeout=600)
    nothing_runs(lab)


def test_a_sweep_on_own_machines_outlives_one_that_falls_silent(ami, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onprem")
    key = folder / "id_ed25519"
    os.spawnlp(os.P_WAIT, "ssh-keygen", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    hosts = {"head": "192.168.1.10", "worker-1": "192.168.1.11", "worker-2": "192.168.1.12"}
    with Lab(folder / "lab", ami, hosts, key.with_suffix(".pub").read_text()) as lab:
        bring_project(lab)
        lab.laptop(f"(umask 77; cat >.ssh/id_ed25519) <<'KEY'\n{key.read_text()}KEY")
        lab.laptop("ray get-auth-token --generate >/dev/null && chmod 600 ~/.ray/auth_token", timeout=120)
        lab.aws("s3", "create_bucket", Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": lab.region})
        up = "export RAY_UP_enable_autoscaler_v2=0; cd project && ray"
        with timed("ray up"):
            lab.laptop(f"{up} up -y cluster/onprem.yaml", timeout=600)

        def at_work():
            """The workers that run a trial now, by how Ray names the process."""
            return [name for name in hosts if "ray::ResourceTrainable" in lab.host(name, "ps ax -o args").stdout]

        ended = []
        sweep = threading.Thread(
            # One trial at a time has a whole machine, and leaves the other free.
            target=lambda: ended.append(lab.host("head", f"{SWEEP}own --max-concurrent 1", timeout=1800, check=False))
        )
        sweep.start()
        until("a trial at work", lambda: running(workspace(lab, "head", "own")), 900, lambda: ended)
        until("both workers", lambda: nodes(lab, "head") == 2, 900, lambda: ended)
        (silent,) = until("its machine", at_work, 60)
        lab.cut(silent)
        until("its trial runs elsewhere", lambda: set(at_work()) - {silent}, 120)
        until("the sweep", lambda: not sweep.is_alive(), 1800)
        assert ended[0].returncode == 0, ended[0].stdout + ended[0].stderr
        print(ended[0].stdout)
        every_trial_ended_once(lab, "own")
        lab.mend(silent)
        with timed("ray down"):
            lab.laptop(f"{up} down -y cluster/onprem.yaml", timeout=600)
        ssh = "ssh -o StrictHostKeyChecking=no"
        stop = f"for ip in 192.168.1.11 192.168.1.12; do {ssh} \"$ip\" '~/pare/.venv/bin/ray stop'; done"
        lab.laptop(stop, timeout=300)
        for name in hosts:
            assert "raylet" not in lab.host(name, "ps ax -o args").stdout
