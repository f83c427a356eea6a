"""Pid 1 of the lab, in namespaces of its own: network, AWS API, and a machine for every running instance."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from tests.cluster.lab.lab import ENDPOINT, ENDPOINT_IP, ENDPOINT_PORT, only_child, veth, wait

HOST = Path(__file__).with_name("host.sh")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


class Machines:
    """Keeps one machine per running instance."""

    def __init__(self, folder, settings):
        self.folder, self.settings, self.up = folder, settings, {}

    def boot(self, host, hostname, addresses, mounts, public_key=""):
        """Start a machine and wait until its sshd runs."""
        place = self.folder / "hosts" / host
        (place / "run").mkdir(parents=True, exist_ok=True)
        (place / "run" / "authorized_keys").write_text(public_key + "\n")
        namespaces = ["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        arguments = [hostname, place, ",".join(addresses), self.settings["env"], ENDPOINT, self.settings["region"]]
        with (place / "init.log").open("w") as output:
            process = subprocess.Popen(
                ["unshare", *namespaces, "bash", HOST, *map(str, arguments), *mounts],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.up[host] = process
        wait("namespaces", lambda: only_child(process.pid) or process.poll() is not None, 10)
        (place / "pid").write_text(str(only_child(process.pid)))
        ip("link", "add", veth(host), "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
        ip("link", "set", veth(host), "master", "br0", "up")
        wait("sshd", lambda: (place / "run" / "ready").exists() or process.poll() is not None, 30)
        if process.poll() is not None:
            raise RuntimeError(f"{host} did not boot: {(place / 'init.log').read_text()[-500:]}")

    def halt(self, host):
        """Shut a machine down: processes first, so that the kernel closes their connections; then the link."""
        process = self.up.pop(host)
        (self.folder / "hosts" / host / "pid").unlink(missing_ok=True)
        with contextlib.suppress(OSError), Path(f"/proc/{process.pid}/ns/net").open():  # open: it outlives them
            os.kill(only_child(process.pid) or process.pid, signal.SIGKILL)
            process.wait(30)
            time.sleep(0.3)
        process.kill()
        process.wait(30)
        subprocess.run(["ip", "link", "del", veth(host)], capture_output=True)

    def follow(self, ec2):
        """Make the machines agree with what the API says, once."""
        found = [each for r in ec2.describe_instances()["Reservations"] for each in r["Instances"]]
        running = {each["InstanceId"]: each for each in found if each["State"]["Name"] in ("pending", "running")}
        for host in [host for host in self.up if host.startswith("i-") and host not in running]:
            self.halt(host)
            log("down", host)
        for host in [host for host in running if not (self.folder / "hosts" / host).exists()]:
            instance = running[host]
            addresses = [instance[key] for key in ("PrivateIpAddress", "PublicIpAddress") if instance.get(key)]
            pairs = ec2.describe_key_pairs(KeyNames=[instance["KeyName"]], IncludePublicKey=True)["KeyPairs"]
            self.boot(
                host, "ip-" + addresses[0].replace(".", "-"), addresses, self.settings["mounts"], pairs[0]["PublicKey"]
            )
            log("boot", host, instance["InstanceType"], instance.get("InstanceLifecycle", "on-demand"), *addresses)


def serve(folder):
    settings = json.loads((folder / "lab.json").read_text())
    ip("link", "set", "lo", "up")
    # A bridge without an address of its own takes the lowest of its ports': with a new machine it may change, and the
    # others would speak to the old one for a minute.
    ip("link", "add", "br0", "address", "02:00:00:00:00:01", "type", "bridge")
    ip("addr", "add", f"{ENDPOINT_IP}/16", "dev", "br0")
    ip("link", "set", "br0", "up")
    ip("route", "add", "default", "dev", "br0")  # any address that moto hands out is on this wire
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    ThreadedMotoServer(ENDPOINT_IP, ENDPOINT_PORT, verbose=False).start()
    ec2 = boto3.client("ec2", endpoint_url=ENDPOINT, region_name=settings["region"])
    machines = Machines(folder, settings)
    for name, address in settings["hosts"].items():
        mounts = settings["mounts"] + (settings["laptop_mounts"] if name == "laptop" else [])
        machines.boot(name, name, [address], mounts, settings["public_key"])
    (folder / "ready").write_text("ok\n")
    while True:
        try:
            machines.follow(ec2)
        except Exception as error:  # one bad answer must not end every machine
            log("ERROR", repr(error)[:500])
        time.sleep(0.5)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
