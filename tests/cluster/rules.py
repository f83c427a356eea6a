"""Rules for cluster YAMLs: mistakes that Ray accepts in silence, and that cost time, money or safety."""

import re
import subprocess
from pathlib import Path

import yaml
from moto.ec2.models.instance_types import INSTANCE_TYPES

REPOSITORY = Path(__file__).parents[2]
WORLD = {"0.0.0.0/0", "::/0"}
COMMANDS = ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
MAY_BE_EMPTY = ("initialization_commands", "head_setup_commands", "worker_setup_commands")
OTHERS_THAT_RAY_WOULD_FILL_IN = ("cluster_synced_files", "rsync_exclude", "rsync_filter", "idle_timeout_minutes")
ENTRY = REPOSITORY / "cluster" / "node.sh"
NEVER_SHIPPED = ("runs", "data", ".git", ".venv")
SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|\b[0-9a-f]{40,}\b|(?i:(secret|password|passwd|api_?key|access_?key|token)[\w-]*\s*[:=]\s*)"
    r"[\"']?[A-Za-z0-9+/]{16,}"
)


def problems(text):
    """Every problem of a `ray up` YAML with this text, a line each."""
    config = yaml.safe_load(text)
    provider = config["provider"]["type"]
    yield from commands(config)
    yield from mounts(config)
    yield from token(config)
    yield from secrets(text)
    if provider != "local":
        yield from nodes(config)
    if provider == "aws":
        yield from aws(config)
    if provider == "local":
        yield from local(config, text)


def secrets(text):
    for found in SECRET.finditer(text):
        yield f"what looks like a secret: {found[0][:12]}…"


def commands(config):
    for key in COMMANDS:
        if not config.get(key):
            yield f"{key}: missing or empty, so Ray would fill in its own"
    for key in MAY_BE_EMPTY + OTHERS_THAT_RAY_WOULD_FILL_IN:
        if key not in config:
            yield f"{key}: missing, so Ray would fill in its own; write [] for none"
    for key in COMMANDS + MAY_BE_EMPTY:
        for command in config.get(key) or []:
            if subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode:
                yield f"{key}: not a shell command: {command!r} (an unquoted ' #' starts a comment in YAML)"
            if ">>" in command and "grep" not in command:
                yield f"{key}: {command!r} adds again each time, and set-up runs twice"
            if re.search(r"\bpip install\b", command) and not re.search(r"--constraint|-c ", command):
                yield f"{key}: {command!r} installs what is not pinned"
    if not any("cluster/node.sh" in command for command in config.get("setup_commands") or []):
        yield "setup_commands: node.sh does not run, so the environment is not the tested one"


def mounts(config):
    for target, source in (config.get("file_mounts") or {}).items():
        path = Path(source).expanduser()
        inside = (REPOSITORY / path).resolve()
        if not str(source).startswith("~") and not inside.exists():
            yield f"file_mounts: {target}: {source} does not exist"
        carried = [name for name in NEVER_SHIPPED if (REPOSITORY / name).is_relative_to(inside)]
        if inside.is_relative_to(REPOSITORY) and carried:
            yield f"file_mounts: {source} ships {', '.join(carried)}, and every change there restarts Ray on the head"


def token(config):
    if "~/.ray/auth_token" not in (config.get("file_mounts") or {}):
        yield "file_mounts: no token, so workers cannot join a head that asks for one"
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        for command in config.get(key) or []:
            if "ray start" in command and "RAY_AUTH_MODE=token" not in command:
                yield f"{key}: starts Ray without RAY_AUTH_MODE=token"
            if "--dashboard-host" in command and "--dashboard-host=127.0.0.1" not in command:
                yield f"{key}: the dashboard listens beyond the loopback"


def nodes(config):
    """Check what every cloud's node types must have."""
    kinds, head = config["available_node_types"], config["head_node_type"]
    if config["provider"].get("cache_stopped_nodes") is not False:
        yield "provider: cache_stopped_nodes is not false, so stopped nodes keep billing their disks"
    if kinds[head]["resources"].get("CPU") != 0:
        yield f"{head}: CPU is not 0, so trials land on the head"
    for name, kind in kinds.items():
        if not re.fullmatch(r"\d+(\.\d+)?", str((kind.get("labels") or {}).get("usd-per-hour"))):
            yield f"{name}: no label usd-per-hour with a number, so no sweep can be capped in dollars"
    for name, kind in kinds.items():
        if (kind.get("labels") or {}).get("market") == "spot" and not any(
            machine(other) == machine(kind)
            and other["labels"].get("market") != "spot"
            and other.get("priority", 0) < kind.get("priority", 0)
            for other in kinds.values()
        ):
            yield f"{name}: no on-demand twin of lower priority, so a sweep stands still without spot capacity"


def machine(kind):
    return kind["node_config"].get("InstanceType") or kind["node_config"].get("machineType")


def aws(config):
    for name, kind in config["available_node_types"].items():
        node = kind["node_config"]
        if node.get("InstanceType") not in INSTANCE_TYPES:
            yield f"{name}: InstanceType {node.get('InstanceType')!r} does not exist"
        if not re.fullmatch(r"ami-[0-9a-f]{17}", str(node.get("ImageId"))):
            yield f"{name}: ImageId {node.get('ImageId')!r} is not pinned; Ray would choose an outdated image"
        market = node.get("InstanceMarketOptions", {"MarketType": "spot"})
        if market.get("MarketType") != "spot":
            yield f"{name}: MarketType {market.get('MarketType')!r} does not exist"
        if ("InstanceMarketOptions" in node) != (kind["labels"].get("market") == "spot"):
            yield f"{name}: label market does not say what InstanceMarketOptions does"
        if not node.get("IamInstanceProfile"):
            yield f"{name}: no IamInstanceProfile; Ray gives workers none, so they cannot reach S3"
        if not node.get("SecurityGroupIds"):
            yield f"{name}: no SecurityGroupIds; the group that Ray makes opens port 22 to the world"
        if (node.get("MetadataOptions") or {}).get("HttpTokens") != "required":
            yield f"{name}: HttpTokens is not required, so any request forger on the node has its role"
        disks = [each["Ebs"] for each in node.get("BlockDeviceMappings") or []]
        if not disks or not all(disk.get("Encrypted") and disk.get("DeleteOnTermination") for disk in disks):
            yield f"{name}: a disk that is not encrypted, or stays (and bills) when the node has gone"
    for rule in (config["provider"].get("security_group") or {}).get("IpPermissions") or []:
        if WORLD & {each.get("CidrIp") or each.get("CidrIpv6") for each in rule.get("IpRanges", [])}:
            yield f"security_group: IpPermissions opens port {rule.get('FromPort', 'any')} to the world"


def local(config, text):
    said = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    if "export RAY_UP_enable_autoscaler_v2=0" not in said:
        yield "does not say RAY_UP_enable_autoscaler_v2=0, without which not all workers join"
    if not re.search(r"for ip in .*; do ssh .*ray stop", said):
        yield "does not say how to stop Ray on the workers, which `ray down` leaves alive"
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        if not any("--labels=usd-per-hour=" in command for command in config[key]):
            yield f"{key}: no label usd-per-hour, so no sweep can be capped in dollars"
    if not any("--num-cpus=0" in command for command in config["head_start_ray_commands"]):
        yield "head_start_ray_commands: --num-cpus is not 0, so trials land on the head"


def node_script(text):
    """Check that node.sh gives every node the tested environment, and only once."""
    if not re.search(r"--python \d+\.\d+\.\d+\b", text):
        yield "node.sh: Python is not pinned to its patch level, and Ray refuses nodes that differ there"
    if "--constraint constraints.txt" not in text:
        yield "node.sh: what is installed is not pinned"
    if not re.search(r"astral.sh/uv/\d+\.\d+\.\d+/", text):
        yield "node.sh: uv is not pinned"
