"""A pretended EC2 whose instances really boot, to test cluster YAMLs on one Linux machine, as root.

`moto` answers the AWS API; every instance that it reports as running becomes a machine: namespaces (network, mount,
pid, uts, ipc) with a root file system, home, /tmp, sshd and the instance's own addresses. From a machine called
"laptop" an unmodified `provider: aws` YAML then goes through `ray up`, `ray exec` and `ray down`.

All of it lives below one process, pid 1 of a pid namespace that also owns a private network (no link to the real one)
and private mounts. Killing that process makes the kernel end every process, mount and link of the lab; no process in it
sees one outside, so that `ray stop`, which walks all processes, ends none of the machine's own.

Not imitated: image boot, GPU drivers, instance metadata, enforcement of roles and security groups, spot capacity, the
two-minute spot notice, the Internet. Needs iproute2, util-linux, openssh-server and rsync.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

ENDPOINT_IP, ENDPOINT_PORT, LAPTOP_IP = "10.77.0.1", 5566, "10.77.0.2"
ENDPOINT = f"http://{ENDPOINT_IP}:{ENDPOINT_PORT}"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ("ip", "unshare", "nsenter", "setpriv", "pivot_root", "sshd", "ssh", "ssh-keygen", "rsync")
REPOSITORY = Path(__file__).parents[3]
IMAGES = Path(__file__).with_name("images.json")
AS_UBUNTU = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "env", "-i", "HOME=/home/ubuntu",
             "USER=ubuntu", "LOGNAME=ubuntu", "SHELL=/bin/bash", "LANG=C.UTF-8", "TERM=dumb"]  # fmt: skip
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"}


def missing():
    """Why no lab can run here; empty where one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    absent = [tool for tool in TOOLS if not shutil.which(tool, path=SYSTEM_PATH)]
    if absent:
        return f"needs {', '.join(absent)}"
    tried = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "true"], check=False)
    return "namespaces are not allowed here" if tried.returncode else ""


def wait(what, condition, seconds, step=0.05):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(step)


def only_child(pid):
    """The child of `unshare --fork`: pid 1 of the new pid namespace."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def python_mounts(env):
    """Return the paths that env's Python needs: the environment and each place that its `python` link leads to."""
    python = env / "bin" / "python"
    base = subprocess.run([python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True)
    places, link = {str(env), str(env.resolve()), base.stdout.strip()}, python
    while link.is_symlink():
        link = Path(os.path.normpath(link.parent / link.readlink()))
        places.add(str(link.parent.parent))
    return [f"{place}:{place}" for place in sorted(places) if place != "/" and not f"{place}/".startswith("/usr/")]


def veth(host):
    """The name of a machine's link, of the 15 characters that it may have."""
    return "v" + host[-12:]


class Lab:
    """The lab: `with Lab(folder, ami=…) as lab:` starts it and always tears it down.

    folder: where state and logs go. ami: a folder whose content every machine finds in its home.
    hosts: machines that are there from the start besides the laptop, name → address, which let in `public_key`.
    """

    def __init__(self, folder, ami, hosts=(), public_key="", region="us-west-2"):
        self.folder, self.region = folder, region
        self.env = Path(sys.prefix).absolute()
        self.settings = {
            "env": str(self.env),
            "region": region,
            "mounts": [*python_mounts(self.env), f"{ami}:/ami"],
            "laptop_mounts": [f"{REPOSITORY}:/repository"],
            "hosts": {"laptop": LAPTOP_IP, **dict(hosts)},
            "public_key": public_key,
        }

    def __enter__(self):
        (self.folder / "hosts").mkdir(parents=True)
        (self.folder / "lab.json").write_text(json.dumps(self.settings))
        clean = {"PATH": SYSTEM_PATH, "HOME": str(self.folder), "LANG": "C.UTF-8", "NO_PROXY": "*", **CREDENTIALS}
        clean |= {"PYTHONPATH": str(REPOSITORY), "MOTO_AMIS_PATH": str(IMAGES)}
        # The lab dies with whoever started it, however that ends.
        namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with (self.folder / "lab.log").open("w") as log:
            self.process = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    "unshare",
                    *namespaces,
                    sys.executable,
                    "-m",
                    "tests.cluster.lab.cloud",
                    str(self.folder),
                ],
                env=clean,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait("first process", lambda: only_child(self.process.pid), 10)
            self.pid = only_child(self.process.pid)
            wait("lab", lambda: (self.folder / "ready").exists() or self.process.poll() is not None, 90)
            assert self.process.poll() is None, self.log
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """End every process of the lab: its pid 1 is killed, and the kernel ends the rest first."""
        if pid := only_child(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(60)

    @property
    def log(self):
        return (self.folder / "lab.log").read_text()[-3000:]

    def host(self, name, command, timeout=60, check=True):
        """Run a shell line as ubuntu on "laptop", a host, or an instance by id or Name tag; the finished process."""
        pid = (self.folder / "hosts" / self._host(name) / "pid").read_text().strip()
        outer = ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "--"]
        inner = ["nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "--"]
        limited = [f"PATH={SYSTEM_PATH}", "timeout", "-k", "5", str(timeout)]
        shell = ["bash", "-c", f"cd; source ~/.bashrc; {command}"]
        done = subprocess.run([*outer, *inner, *AS_UBUNTU, *limited, *shell], capture_output=True, text=True)
        said = done.stdout[-4000:] + done.stderr[-4000:]
        assert not (check and done.returncode), f"{command}: {done.returncode}\n{said}"
        return done

    def laptop(self, command, timeout=60, check=True):
        """Run a shell line on the laptop, with the project's environment on its PATH; see `host`."""
        return self.host("laptop", f"export PATH={self.env}/bin:$PATH; {command}", timeout, check)

    def cut(self, name):
        """Cut a machine's link: it goes silent, and no connection is closed."""
        self._link(name, "down")

    def mend(self, name):
        """Undo `cut`."""
        self._link(name, "up")

    def _link(self, name, state):
        inside = ["nsenter", "-t", str(self.pid), "-n", "--", "ip", "link", "set", veth(self._host(name)), state]
        subprocess.run(inside, check=True)

    def machines(self):
        """The names of all machines that are up."""
        return [path.parent.name for path in (self.folder / "hosts").glob("*/pid")]

    def home(self, name):
        """The home folder of a machine, as this one sees it."""
        return self.folder / "hosts" / self._host(name) / "home"

    def aws(self, service, operation, **arguments):
        """Call the lab's AWS API."""

        def call():
            with Path(f"/proc/{self.pid}/ns/net").open() as namespace:  # joined by this thread alone
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0):
                    raise OSError(ctypes.get_errno(), "cannot enter the lab's network")
            keys = {key.lower(): value for key, value in CREDENTIALS.items()}
            client = boto3.client(service, region_name=self.region, endpoint_url=ENDPOINT, **keys)
            return getattr(client, operation)(**arguments)

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(call).result()

    def instances(self, *states):
        """The instances in these states, as EC2 describes them."""
        found = [each for r in self.aws("ec2", "describe_instances")["Reservations"] for each in r["Instances"]]
        return [each for each in found if each["State"]["Name"] in states]

    def _host(self, name):
        if (self.folder / "hosts" / name / "pid").exists():
            return name
        named = [
            each["InstanceId"]
            for each in self.instances("running")
            if {"Key": "Name", "Value": name} in each.get("Tags", [])
        ]
        assert len(named) == 1, f"{name}: {len(named)} machines of that name are up"
        return named[0]
