"""The one-time AWS set-up against a simulated account: idempotent, least privilege, and gone when removed."""

import json
import shutil

import boto3
import pytest
import yaml
from moto import mock_aws

from cluster import policies, setup_aws

REGION, ACCOUNT = "us-west-2", "123456789012"
BUCKET = f"pare-{ACCOUNT}-{REGION}"
ALLOW, IMAGE = "203.0.113.7/32", "ami-0123456789abcdef0"


def _sealed(patch, folder):
    """Nothing here can reach a real account, nor the token of whoever runs the tests."""
    patch.setenv("AWS_ACCESS_KEY_ID", "none")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    patch.delenv("AWS_PROFILE", raising=False)
    patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    patch.setattr(setup_aws, "TOKEN", folder / ".ray" / "auth_token")
    config = shutil.copy(setup_aws.CLUSTER, folder / "aws.yaml")
    base = ["--region", REGION, "--config", str(config), "--allow", ALLOW, "--image", IMAGE]
    return config, lambda *more: setup_aws.main([*base, *more])


@pytest.fixture
def account(monkeypatch, tmp_path):
    """A fresh simulated AWS account, a copy of the shipped YAML, and the command that sets up the one for the other."""
    with mock_aws():
        yield _sealed(monkeypatch, tmp_path)


@pytest.fixture
def config(account):
    return account[0]


@pytest.fixture
def run(account):
    return account[1]


@pytest.fixture
def made(config, run):
    """The YAML of an account that has been set up."""
    assert run() == 0
    return config


def client(service):
    return boto3.client(service, region_name=REGION)


def group():
    groups = client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["pare"]}])
    return groups["SecurityGroups"][0]


def statements(role):
    return client("iam").get_role_policy(RoleName=f"pare-{role}", PolicyName=role)["PolicyDocument"]["Statement"]


def listed(value):
    return value if isinstance(value, list) else [value]


def test_again_makes_nothing_and_mends_what_was_changed(run, config, capsys):
    assert run() == 0
    assert "make bucket" in capsys.readouterr().out
    filled, token = config.read_text(), setup_aws.TOKEN.read_text()
    assert run() == 0
    again = capsys.readouterr().out.splitlines()
    # The simulated account names the role for spot instances differently.
    assert [line for line in again if "ForEC2Spot" not in line] == [f"ready: bucket s3://{BUCKET}, ssh from {ALLOW}"]
    wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    client("iam").put_role_policy(
        RoleName="pare-worker", PolicyName="worker", PolicyDocument=json.dumps(policies.document(wide))
    )
    client("ec2").authorize_security_group_ingress(
        GroupId=group()["GroupId"],
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 8265, "ToPort": 8265, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    )
    assert run() == 0
    assert statements("worker") == policies.bucket_access(BUCKET)
    assert {rule.get("FromPort") for rule in group()["IpPermissions"]} == {22, None}
    assert config.read_text() == filled
    assert setup_aws.TOKEN.read_text() == token


def test_the_token_is_long_and_for_the_owners_eyes(made):
    assert len(setup_aws.TOKEN.read_text()) == 64
    assert setup_aws.TOKEN.stat().st_mode & 0o777 == 0o600


def test_fills_in_the_marked_lines_only(made):
    before, after = yaml.safe_load(setup_aws.CLUSTER.read_text()), yaml.safe_load(made.read_text())
    for kind in after["available_node_types"].values():
        assert kind["node_config"]["ImageId"] == IMAGE
        assert kind["node_config"]["SecurityGroupIds"] == [group()["GroupId"]]
    for kind in (*before["available_node_types"].values(), *after["available_node_types"].values()):
        del kind["node_config"]["ImageId"], kind["node_config"]["SecurityGroupIds"]
    assert after == before


def test_the_group_lets_in_the_owner_and_itself(run):
    assert run() == 0
    ssh, inside = sorted(group()["IpPermissions"], key=lambda rule: rule["IpProtocol"], reverse=True)
    assert (ssh["FromPort"], ssh["ToPort"], [each["CidrIp"] for each in ssh["IpRanges"]]) == (22, 22, [ALLOW])
    assert [pair["GroupId"] for pair in inside["UserIdGroupPairs"]] == [group()["GroupId"]]
    assert not inside["IpRanges"]
    assert run("--allow", "198.51.100.0/24") == 0
    assert [each["CidrIp"] for rule in group()["IpPermissions"] for each in rule["IpRanges"]] == ["198.51.100.0/24"]


def test_workers_may_use_the_bucket_and_nothing_else(made):
    for statement in statements("worker"):
        assert all(action.startswith("s3:") and "*" not in action for action in statement["Action"])
        assert all(each.startswith(f"arn:aws:s3:::{BUCKET}") for each in listed(statement["Resource"]))


def test_the_head_changes_nothing_but_its_own_instances(made):
    launch = [each for each in statements("head") if each not in policies.bucket_access(BUCKET)]
    assert not any("*" in action for each in launch for action in listed(each["Action"]))
    for statement in launch:
        resources, condition = listed(statement["Resource"]), statement.get("Condition", {}).get("StringEquals", {})
        for action in listed(statement["Action"]):
            if action.startswith("ec2:Describe"):
                continue
            if action == "iam:PassRole":
                assert resources == [f"arn:aws:iam::{ACCOUNT}:role/pare-worker"]
                assert condition == {"iam:PassedToService": "ec2.amazonaws.com"}
            elif any(":instance/" in each for each in resources):
                own = {"aws:RequestTag/ray-cluster-name", "aws:ResourceTag/ray-cluster-name"} & set(condition)
                assert [condition[tag] for tag in own] == ["pare"] or condition == {"ec2:CreateAction": "RunInstances"}
            else:
                assert action == "ec2:RunInstances"
                assert "*" not in resources
            if action == "ec2:RunInstances" and condition:
                assert condition["ec2:InstanceType"] == ["g6.12xlarge", "g6.xlarge"]


def test_the_bucket_is_private_encrypted_and_drops_broken_uploads(made):
    s3 = client("s3")
    assert all(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    (deny,) = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_a_dry_run_does_nothing(run, config, capsys):
    before = config.read_text()
    assert run("--dry-run") == 0
    assert "would make bucket" in capsys.readouterr().out
    assert not client("s3").list_buckets()["Buckets"]
    assert not client("iam").list_roles()["Roles"]
    assert config.read_text() == before
    assert not setup_aws.TOKEN.exists()
    run()
    assert run("--remove", "--dry-run") == 0
    assert client("s3").list_buckets()["Buckets"]
    assert group()


def test_removal_leaves_nothing(run):
    assert run() == 0
    assert run("--remove") == 0
    assert not client("s3").list_buckets()["Buckets"]
    assert not [each for each in client("iam").list_roles()["Roles"] if each["RoleName"].startswith("pare")]
    assert not client("iam").list_instance_profiles()["InstanceProfiles"]
    assert "pare" not in {each["GroupName"] for each in client("ec2").describe_security_groups()["SecurityGroups"]}
    assert run("--remove") == 0


def test_results_are_kept_unless_asked(run, capsys):
    assert run() == 0
    client("s3").delete_bucket_policy(Bucket=BUCKET)  # the simulated S3 would take its condition for met
    client("s3").put_object(Bucket=BUCKET, Key="runs/nas360/leaderboard.md", Body=b"| pare |")
    assert run("--remove") == 0
    assert "kept bucket" in capsys.readouterr().out
    assert client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 1
    assert run("--remove", "--delete-results") == 0
    assert not client("s3").list_buckets()["Buckets"]


def test_nothing_is_removed_under_a_running_cluster(run, capsys):
    assert run() == 0
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "ray-cluster-name", "Value": "pare"}]}]
    client("ec2").run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, TagSpecifications=tags)
    assert run("--remove") == 2
    assert "ray down" in capsys.readouterr().err
    assert client("s3").list_buckets()["Buckets"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--allow", "0.0.0.0/0"], "nearly the whole world"),
        (["--allow", "here"], "give an IPv4 network"),
        (["--bucket", "No_Such_Name!"], "Invalid bucket name"),
        (["--config", "none.yaml"], "none.yaml"),
    ],
)
def test_mistakes_are_told_in_one_line(run, capsys, more, said):
    assert run(*more) == 2
    err = capsys.readouterr().err
    assert err.startswith("setup_aws: ")
    assert err.count("\n") == 1
    assert said in err


def test_no_image_asks_for_one(config, capsys):
    assert setup_aws.main(["--region", REGION, "--config", str(config), "--allow", ALLOW]) == 2
    assert "--image" in capsys.readouterr().err


def test_no_credentials_are_told_in_one_line(monkeypatch, tmp_path, capsys):
    _, run = _sealed(monkeypatch, tmp_path)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert run() == 2
    assert "credentials" in capsys.readouterr().err
