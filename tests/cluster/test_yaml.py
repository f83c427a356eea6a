"""The cluster YAMLs, as far as they can be checked without a cloud, and that the check finds each known trap."""

import copy
import gzip
import json
import logging
import os
import subprocess
from pathlib import Path

import boto3
import jsonschema
import pytest
import ray
import yaml
from moto import mock_aws
from ray.autoscaler._private import commands, util
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.cli_logger import cli_logger

from tests.cluster import rules

CLUSTER = rules.REPOSITORY / "cluster"
UP = {name: (CLUSTER / f"{name}.yaml").read_text() for name in ("aws", "gcp", "onprem")}
SCHEMA = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
RAYJOB = Path(__file__).with_name("rayjob-1.7.0.schema.json.gz")
"""spec of KubeRay 1.7.0's ray.io_rayjobs.yaml (Apache-2.0), version v1, without its descriptions."""


@pytest.mark.parametrize("name", UP)
def test_fits_rays_schema(name):
    config = yaml.safe_load(UP[name])
    jsonschema.validate(util.prepare_config(config) if name == "onprem" else config, SCHEMA)


@pytest.mark.parametrize("name", UP)
def test_keeps_the_rules(name):
    assert not list(rules.problems(UP[name]))


def test_every_node_gets_the_tested_environment():
    text = rules.ENTRY.read_text()
    assert not list(rules.node_script(text))
    for pinned in ("--python 3.11.7", "--constraint constraints.txt", "/0.13.9/"):
        assert pinned in text
        assert list(rules.node_script(text.replace(pinned, "")))


def edit(change):
    """The text of aws.yaml after a change of its content."""

    def edited(text):
        config = yaml.safe_load(text)
        change(config)
        return yaml.safe_dump(config)

    return edited


def put(path, value):
    """Sets what lies at a dotted path of aws.yaml; None takes it away."""

    def change(config):
        *parents, last = path.split("/")
        for parent in parents:
            config = config[parent]
        if value is None:
            del config[last]
        else:
            config[last] = value

    return edit(change)


SPOT = "available_node_types/gpu_spot/node_config"
OPEN = [{"IpProtocol": "tcp", "FromPort": 8265, "ToPort": 8265, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
START = "ray start --address=$RAY_HEAD_IP:6379"
TRAPS = {
    "no set-up": (put("setup_commands", None), "setup_commands: missing"),
    "no head set-up": (put("head_setup_commands", None), "head_setup_commands: missing"),
    "no image": (put(f"{SPOT}/ImageId", None), "is not pinned"),
    "image by name": (put(f"{SPOT}/ImageId", "latest_dlami"), "is not pinned"),
    "set-up that adds up": (put("worker_setup_commands", ["echo x >> ~/.bashrc"]), "runs twice"),
    "set-up that is not pinned": (put("worker_setup_commands", ["pip install torch"]), "not pinned"),
    "no environment": (put("setup_commands", ["true"]), "node.sh does not run"),
    "everything mounted": (edit(lambda config: config["file_mounts"].update({"~/pare": "."})), "ships runs"),
    "results mounted": (put("file_mounts/x", "runs"), "ships runs"),
    "mount that is not there": (put("file_mounts/x", "no-such-file"), "does not exist"),
    "no security group": (put(f"{SPOT}/SecurityGroupIds", None), "port 22 to the world"),
    "open group": (put("provider/security_group", {"GroupName": "x", "IpPermissions": OPEN}), "8265 to the world"),
    "workers without a role": (put(f"{SPOT}/IamInstanceProfile", None), "no IamInstanceProfile"),
    "stopped nodes kept": (put("provider/cache_stopped_nodes", None), "keep billing"),
    "no token": (lambda text: text.replace('"~/.ray/auth_token": "~/.ray/auth_token"', ""), "no token"),
    "token not used": (put("worker_start_ray_commands", [START]), "without RAY_AUTH_MODE"),
    "open dashboard": (lambda text: text.replace("host=127.0.0.1", "host=0.0.0.0"), "beyond the loopback"),
    "comment in a command": (
        lambda text: text.replace("initialization_commands: []", "initialization_commands:\n  - echo 'a # b'"),
        "starts a comment",
    ),
    "trials on the head": (put("available_node_types/head/resources", {}), "CPU is not 0"),
    "no twin": (put("available_node_types/gpu_on_demand", None), "no on-demand twin"),
    "twin first": (put("available_node_types/gpu_on_demand/priority", 20), "no on-demand twin"),
    "no price": (put("available_node_types/gpu_spot/labels", {"market": "spot"}), "usd-per-hour"),
    "no such type": (put(f"{SPOT}/InstanceType", "g6.tiny"), "does not exist"),
    "no such market": (put(f"{SPOT}/InstanceMarketOptions", {"MarketType": "Spot"}), "does not exist"),
    "open metadata": (put(f"{SPOT}/MetadataOptions", None), "HttpTokens"),
    "plain disk": (put(f"{SPOT}/BlockDeviceMappings", [{"Ebs": {"VolumeSize": 9}}]), "not encrypted"),
    "access key": (lambda text: text + "\n# AKIAIOSFODNN7EXAMPLE\n", "secret"),
    "token in the text": (lambda text: text.replace("RAY_AUTH_MODE=token", "RAY_AUTH_TOKEN=" + "0f" * 32), "secret"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_finds_the_trap(trap):
    plant, said = TRAPS[trap]
    planted = plant(UP["aws"])
    assert planted != UP["aws"]
    assert any(said in problem for problem in rules.problems(planted))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("export RAY_UP_enable_autoscaler_v2=0", "", "not all workers join"),
        ("do ssh", "", "leaves alive"),
        ("--num-cpus=0", "", "land on the head"),
        ("--labels=usd-per-hour=0", "", "capped in dollars"),
    ],
)
def test_finds_the_trap_of_own_machines(old, new, said):
    assert any(said in problem for problem in rules.problems(UP["onprem"].replace(old, new)))


@pytest.fixture
def account(monkeypatch, tmp_path):
    """A simulated AWS account, with what set-up makes there; Ray's key files go to a home of their own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(rules.REPOSITORY)
    cli_logger.configure(verbosity=0)
    logging.getLogger("ray").setLevel(logging.ERROR)
    with mock_aws():
        ec2, iam = boto3.client("ec2", "us-west-2"), boto3.client("iam")
        for name in ("pare-head", "pare-worker"):
            iam.create_instance_profile(InstanceProfileName=name)
        group = ec2.create_security_group(GroupName="pare", Description="pare")["GroupId"]
        before = dict(os.environ)
        yield ec2, group
        os.environ.clear()
        os.environ.update(before)


def test_ray_bootstraps_it_and_ec2_starts_every_node_type(account):
    ec2, group = account
    config = yaml.safe_load(UP["aws"].replace("sg-00000000000000000", group))
    config = util.prepare_config(copy.deepcopy(config))
    util.validate_config(config)
    ready = commands._bootstrap_config(config, no_config_cache=True)
    provider = AWSNodeProvider(ready["provider"], ready["cluster_name"])
    kinds = ready["available_node_types"]
    for name, kind in kinds.items():
        tags = {"ray-node-type": "worker", "ray-launch-config": "x", "ray-user-node-type": name}
        provider.create_node(kind["node_config"], tags, 1)
    started = [each for r in ec2.describe_instances()["Reservations"] for each in r["Instances"]]
    types = ["m7i.xlarge", "g6.xlarge", "g6.xlarge", "g6.12xlarge", "g6.12xlarge"]
    assert [each["InstanceType"] for each in started] == types
    assert [each.get("InstanceLifecycle") for each in started] == [None, "spot", None, "spot", None]
    assert {each["IamInstanceProfile"]["Arn"].rpartition("/")[2] for each in started[1:]} == {"pare-worker"}
    assert {g["GroupId"] for each in started for g in each["SecurityGroups"]} == {group}
    groups = ec2.describe_security_groups()["SecurityGroups"]
    assert {each["GroupName"] for each in groups} == {"default", "pare"}, "Ray made one of its own"
    assert kinds["head"]["resources"] == {"CPU": 0}
    assert {name: kinds[name]["resources"]["GPU"] for name in kinds if name != "head"} == {
        "gpu_spot": 1,
        "gpu_on_demand": 1,
        "gpus_spot": 4,
        "gpus_on_demand": 4,
    }


def closed(schema):
    """The schema with no room for keys that it does not name: a misspelt one would be dropped in silence."""
    if isinstance(schema, dict):
        inner = {key: closed(value) for key, value in schema.items()}
        return {**inner, "additionalProperties": False} if "properties" in schema and "type" in schema else inner
    return [closed(each) for each in schema] if isinstance(schema, list) else schema


@pytest.fixture(scope="module")
def rayjob():
    return yaml.safe_load((CLUSTER / "kuberay.yaml").read_text())


def test_the_rayjob_fits_kuberays_schema(rayjob):
    fits = jsonschema.Draft202012Validator(closed(json.loads(gzip.decompress(RAYJOB.read_bytes())))).validate
    fits(rayjob["spec"])
    for path in ("rayClusterSpec", "entrypoint"):
        broken = copy.deepcopy(rayjob["spec"])
        broken[path + "s"] = broken.pop(path)
        with pytest.raises(jsonschema.ValidationError):
            fits(broken)


def test_the_rayjob_keeps_the_rules(rayjob):
    cluster = rayjob["spec"]["rayClusterSpec"]
    groups = cluster["workerGroupSpecs"]
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert rayjob["spec"]["shutdownAfterJobFinishes"]
    for group in (cluster["headGroupSpec"], *groups):
        assert float(group["labels"]["usd-per-hour"]) > 0
        assert "labels" not in group["rayStartParams"], "KubeRay refuses them there"
        (container,) = group["template"]["spec"]["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {"shared"}
    for group in groups:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert limits["nvidia.com/gpu"] == "1"
    assert not list(rules.secrets((CLUSTER / "kuberay.yaml").read_text()))


def test_nothing_in_the_folder_holds_a_secret():
    for path in CLUSTER.iterdir():
        if path.is_file():
            assert not list(rules.secrets(path.read_text())), path


def test_a_nodes_set_up_can_run_twice(tmp_path):
    """node.sh, with a stand-in for uv: the second run changes nothing."""
    (tmp_path / "pare").mkdir()
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("x")
    uv = tmp_path / ".local" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(
        '#!/bin/sh\necho "$@" >>~/uv.log\n[ "$1" = pip ] || { mkdir -p .venv/bin; ln -s /bin/true .venv/bin/python; }\n'
    )
    uv.chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    (tmp_path / ".bashrc").write_text("# mine\n")
    seen = []
    for _ in range(2):
        subprocess.run(["bash", rules.ENTRY, "aws"], env=environment, check=True)
        seen.append((tmp_path / ".bashrc").read_text())
    assert seen[0] == seen[1]
    assert seen[0].count("RAY_AUTH_MODE=token") == 1
    assert (tmp_path / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600
    log = (tmp_path / "uv.log").read_text().splitlines()
    assert [line.split()[0] for line in log] == ["venv", "pip", "pip"]
    assert log[1].endswith("--editable .[aws]")
