"""One-time set-up of an AWS account for `cluster/aws.yaml`.

python cluster/setup_aws.py --region us-west-2             makes what is missing, mends what differs, fills in the YAML
python cluster/setup_aws.py --region us-west-2 --dry-run   only says what it would do
python cluster/setup_aws.py --region us-west-2 --remove    takes all away again, but no bucket that holds anything

It makes a private bucket, instance profiles for head and workers, a security group that admits only your own address,
the account's role for spot instances, and the token by which Ray's nodes know each other, with the credentials that
boto3 finds. None of it costs anything while no instance runs and the bucket is empty. Exit code 2: you can mend it.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import secrets
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

# Run as a script or as a module.
sys.path.insert(0, str(Path(__file__).parent.parent))
from cluster import policies
from pare.errors import RequestError

CLUSTER = Path(__file__).parent / "aws.yaml"
TOKEN = Path.home() / ".ray/auth_token"
IMAGE = "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) *"
"""Amazon's image with the NVIDIA driver and nothing else of note; the newest is chosen and then pinned in the YAML."""

WHO_AM_I = "https://checkip.amazonaws.com"
SPOT_SERVICE, SPOT_ROLE = "spot.amazonaws.com", "AWSServiceRoleForEC2Spot"
GONE = {"NoSuchEntity", "NoSuchBucket", "404", "InvalidGroup.NotFound"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Set up, or remove; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--region", required=True, help="where the cluster is to run, such as us-west-2")
    parser.add_argument("--config", type=Path, default=CLUSTER, help="cluster YAML to serve [cluster/aws.yaml]")
    parser.add_argument("--bucket", help="name of the bucket [<cluster>-<account>-<region>]")
    parser.add_argument("--allow", metavar="CIDR", help="addresses that may use ssh [the one that you now come from]")
    parser.add_argument("--image", metavar="AMI", help="machine image [Amazon's newest base image with NVIDIA driver]")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--remove", action="store_true", help="take everything away again")
    parser.add_argument("--delete-results", action="store_true", help="with --remove: the bucket even if not empty")
    options = parser.parse_args(arguments)
    try:
        setup = Setup(options.config, options.region, options.bucket, options.dry_run)
        if options.remove:
            setup.remove(options.delete_results)
        else:
            setup.make(_cidr(options.allow), options.image)
        return 0
    except RequestError as error:
        message = str(error)
    except ClientError as error:
        code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        message = f"AWS refused {error.operation_name} ({code}: {text}); mend that and run the same command again"
    except BotoCoreError as error:
        message = f"{error}; check your credentials (aws configure), --region and --bucket"
    print(f"setup_aws: {' '.join(message.split())}", file=sys.stderr)
    return 2


class Setup:
    """The account's side of one cluster YAML."""

    def __init__(self, config: Path, region: str, bucket: str | None, dry_run: bool) -> None:
        self.path, self.region, self.dry_run = config, region, dry_run
        try:
            self.text = config.read_text(encoding="utf-8")
        except OSError as error:
            raise RequestError(f"--config is {str(config)!r}: {error.strerror}; give a cluster YAML") from None
        self.config = yaml.safe_load(self.text)
        self.name: str = self.config["cluster_name"]
        self.ec2, self.iam = boto3.client("ec2", region_name=region), boto3.client("iam")
        self.s3 = boto3.client("s3", region_name=region)
        self.account: str = boto3.client("sts", region_name=region).get_caller_identity()["Account"]
        self.bucket = bucket or f"{self.name}-{self.account}-{region}"
        self.roles = {part: f"{self.name}-{part}" for part in ("head", "worker")}

    def make(self, allowed: str, image: str | None) -> None:
        """Make what is missing, mend what differs, and fill in the YAML."""
        image = image or self._newest_image()
        self._make_bucket()
        group = self._make_group(allowed)
        access = policies.bucket_access(self.bucket)
        head = self.config["head_node_type"]
        kinds = self.config["available_node_types"]
        types = [kind["node_config"]["InstanceType"] for name, kind in kinds.items() if name != head]
        worker = f"arn:aws:iam::{self.account}:role/{self.roles['worker']}"
        self._make_profile("worker", access)
        launch = policies.launch(self.name, self.region, self.account, image, group, types, worker)
        self._make_profile("head", [*access, *launch])
        if not self._exists(self.iam.get_role, RoleName=SPOT_ROLE):
            self._do(f"make role {SPOT_ROLE}", self._make_spot_role)
        if not TOKEN.exists():
            self._do(f"make token {TOKEN}", _write_token)
        filled = fill_in(self.text, self.region, image, group)
        if filled != self.text:
            self._do(f"fill in {self.path}: {self.region}, {image}, {group}", _replace, path=self.path, text=filled)
        print(f"ready: bucket s3://{self.bucket}, ssh from {allowed}" if not self.dry_run else "nothing was done")

    def remove(self, delete_results: bool) -> None:
        """Take everything away again, but the token, the account's spot role and a bucket that holds anything."""
        tag = {"Name": f"tag:{policies.CLUSTER_TAG}", "Values": [self.name]}
        alive = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
        found = self.ec2.describe_instances(Filters=[tag, alive])["Reservations"]
        running = [each["InstanceId"] for reservation in found for each in reservation["Instances"]]
        if running:
            raise RequestError(f"{self.name} still has {', '.join(running)}: run `ray down {self.path}` first")
        for part, role in self.roles.items():
            self._remove_profile(part, role)
        for group in self._groups():
            self._do(f"remove security group {self.name}", self.ec2.delete_security_group, GroupId=group["GroupId"])
        if self._exists(self.s3.head_bucket, Bucket=self.bucket):
            content = boto3.resource("s3", region_name=self.region).Bucket(self.bucket).objects
            if next(iter(content.limit(1)), None) is not None:
                if not delete_results:
                    print(f"kept bucket {self.bucket}, for it is not empty; --delete-results removes it and all in it")
                    return
                self._do(f"remove all objects of bucket {self.bucket}", content.delete)
            self._do(f"remove bucket {self.bucket}", self.s3.delete_bucket, Bucket=self.bucket)

    def _do(self, what: str, call: Callable[..., Any], **arguments: Any) -> Any:
        print(f"would {what}" if self.dry_run else what)
        return None if self.dry_run else call(**arguments)

    @staticmethod
    def _exists(call: Callable[..., Any], **arguments: Any) -> bool:
        try:
            call(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return False
            raise
        return True

    def _make_spot_role(self) -> None:
        try:
            self.iam.create_service_linked_role(AWSServiceName=SPOT_SERVICE)
        except ClientError as error:  # it may be there under another name
            if error.response["Error"]["Code"] not in ("InvalidInput", "EntityAlreadyExists"):
                raise

    def _newest_image(self) -> str:
        found = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": [IMAGE]}])["Images"]
        if not found:
            raise RequestError(f"no image {IMAGE!r} in {self.region}: give one with --image")
        image: str = max(found, key=lambda each: each["CreationDate"])["ImageId"]
        return image

    def _make_bucket(self) -> None:
        if not self._exists(self.s3.head_bucket, Bucket=self.bucket):
            # us-east-1 is the one region that must not be named.
            place = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
            where: dict[str, Any] = {} if self.region == "us-east-1" else place
            self._do(f"make bucket {self.bucket}", self.s3.create_bucket, Bucket=self.bucket, **where)
        if self.dry_run:
            return
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        sse = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
        policy = json.dumps(policies.document(policies.only_encrypted_transport(self.bucket)))
        self.s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
        self.s3.put_bucket_encryption(Bucket=self.bucket, ServerSideEncryptionConfiguration=sse)
        self.s3.put_bucket_lifecycle_configuration(Bucket=self.bucket, LifecycleConfiguration=policies.LIFECYCLE)
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=policy)

    def _groups(self) -> list[dict[str, Any]]:
        own = [{"Name": "group-name", "Values": [self.name]}]
        groups: list[dict[str, Any]] = self.ec2.describe_security_groups(Filters=own)["SecurityGroups"]
        return groups

    def _make_group(self, allowed: str) -> str:
        """The id of the group that lets in ssh from `allowed` and everything from itself, and nothing else."""
        groups = self._groups()
        if not groups:
            vpcs = self.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
            if not vpcs:
                raise RequestError(f"{self.region} has no default VPC: make one (aws ec2 create-default-vpc)")
            made = self._do(
                f"make security group {self.name}",
                self.ec2.create_security_group,
                GroupName=self.name,
                Description="Ray nodes: ssh from the owner's address, everything among themselves",
                VpcId=vpcs[0]["VpcId"],
            )
            groups = [{"GroupId": made["GroupId"] if made else "sg-of-the-future", "IpPermissions": []}]
        group: str = groups[0]["GroupId"]
        wanted: list[dict[str, Any]] = [
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": allowed}]},
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]},
        ]
        present = [rule for each in groups[0]["IpPermissions"] for rule in _single(each)]
        stale = [rule for rule in present if rule not in wanted]
        if stale:
            self._do(
                "close what else was open", self.ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=stale
            )
        missing = [rule for rule in wanted if rule not in present]
        if missing:
            self._do(
                f"open ssh to {allowed}",
                self.ec2.authorize_security_group_ingress,
                GroupId=group,
                IpPermissions=missing,
            )
        return group

    def _make_profile(self, part: str, statements: list[policies.Statement]) -> None:
        role = self.roles[part]
        if not self._exists(self.iam.get_role, RoleName=role):
            trust = json.dumps(policies.document(policies.EC2_MAY_ASSUME))
            self._do(f"make role {role}", self.iam.create_role, RoleName=role, AssumeRolePolicyDocument=trust)
        if not self._exists(self.iam.get_instance_profile, InstanceProfileName=role):
            self._do(f"make instance profile {role}", self.iam.create_instance_profile, InstanceProfileName=role)
        if self.dry_run:
            return
        policy = json.dumps(policies.document(*statements))
        self.iam.put_role_policy(RoleName=role, PolicyName=part, PolicyDocument=policy)
        if not self.iam.get_instance_profile(InstanceProfileName=role)["InstanceProfile"]["Roles"]:
            self.iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)

    def _remove_profile(self, part: str, role: str) -> None:
        if self._exists(self.iam.get_instance_profile, InstanceProfileName=role):
            if self.iam.get_instance_profile(InstanceProfileName=role)["InstanceProfile"]["Roles"] and not self.dry_run:
                self.iam.remove_role_from_instance_profile(InstanceProfileName=role, RoleName=role)
            self._do(f"remove instance profile {role}", self.iam.delete_instance_profile, InstanceProfileName=role)
        if self._exists(self.iam.get_role, RoleName=role):
            if self._exists(self.iam.get_role_policy, RoleName=role, PolicyName=part) and not self.dry_run:
                self.iam.delete_role_policy(RoleName=role, PolicyName=part)
            self._do(f"remove role {role}", self.iam.delete_role, RoleName=role)


def fill_in(text: str, region: str, image: str, group: str) -> str:
    """The YAML with the values of its lines marked `# set-up` put in; everything else stays as it is.

    Raises:
        RequestError: a line that should be marked is not there.
    """
    for key, value in (("region", region), ("ImageId", image), ("SecurityGroupIds", f"[{group}]")):
        text, count = re.subn(rf"(?m)^(\s*{key}: )\S+( # set-up)$", rf"\g<1>{value}\g<2>", text)
        if count != 1:
            raise RequestError(f"the cluster YAML has {count} lines `{key}: … # set-up`: it needs one")
    return text


def _single(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """A rule as EC2 describes it, as rules of one address or group each, in the form in which they are asked for."""
    ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if rule.get(key, -1) != -1}
    kinds = {
        "IpRanges": "CidrIp",
        "Ipv6Ranges": "CidrIpv6",
        "PrefixListIds": "PrefixListId",
        "UserIdGroupPairs": "GroupId",
    }
    return [{**ports, kind: [{key: each[key]}]} for kind, key in kinds.items() for each in rule.get(kind, [])]


def _cidr(given: str | None) -> str:
    """`given`, or the address that this machine is seen under, as an IPv4 network."""
    if given is None:
        try:
            with urllib.request.urlopen(WHO_AM_I, timeout=10) as answer:
                given = answer.read().decode().strip()
        except OSError as error:
            raise RequestError(f"{WHO_AM_I} does not tell your address ({error}): give it with --allow") from None
    try:
        network = ipaddress.IPv4Network(given)
    except ValueError as error:
        raise RequestError(f"--allow is {given!r}: {error}; give an IPv4 network such as 203.0.113.7/32") from None
    if network.prefixlen < 8:
        raise RequestError(f"--allow is {given!r}: that is nearly the whole world; give your own network")
    return str(network)


def _write_token() -> None:
    TOKEN.parent.mkdir(exist_ok=True)
    with os.fdopen(os.open(TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
