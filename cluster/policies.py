"""The AWS policies that `setup_aws.py` attaches. Least privilege, one statement per need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Statement = dict[str, Any]

CLUSTER_TAG = "ray-cluster-name"
"""Ray puts this tag on every instance that it starts; the head may touch no other."""

EC2_MAY_ASSUME = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*statements: Statement) -> dict[str, Any]:
    """A policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def bucket_access(bucket: str) -> list[Statement]:
    """Read and write the objects of one bucket: all that a worker may do, and the head too."""
    return [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
            "Resource": f"arn:aws:s3:::{bucket}",
        },
        {
            "Effect": "Allow",
            "Action": [
                "s3:GetObject",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            "Resource": f"arn:aws:s3:::{bucket}/*",
        },
    ]


def launch(
    cluster: str, region: str, account: str, image: str, group: str, types: Sequence[str], worker_role: str
) -> list[Statement]:
    """Allow Ray's autoscaler on the head to start workers of the YAML's types, and to tag and end the cluster's own."""
    here = f"arn:aws:ec2:{region}:{account}"
    own = {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": cluster}}
    return [
        {
            "Effect": "Allow",
            # Neither can be restricted to resources.
            "Action": ["ec2:DescribeInstances", "ec2:DescribeInstanceTypes"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
        },
        {
            "Effect": "Allow",
            "Action": "ec2:RunInstances",
            "Resource": f"{here}:instance/*",
            "Condition": {
                "StringEquals": {f"aws:RequestTag/{CLUSTER_TAG}": cluster, "ec2:InstanceType": sorted(set(types))}
            },
        },
        {
            "Effect": "Allow",
            "Action": "ec2:RunInstances",
            "Resource": [
                f"arn:aws:ec2:{region}::image/{image}",
                f"{here}:security-group/{group}",
                *(
                    f"{here}:{kind}/*"
                    for kind in ("key-pair", "network-interface", "spot-instances-request", "subnet", "volume")
                ),
            ],
        },
        {
            "Effect": "Allow",
            "Action": "ec2:CreateTags",
            "Resource": f"{here}:instance/*",
            "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
        },
        {
            "Effect": "Allow",
            "Action": ["ec2:CreateTags", "ec2:TerminateInstances"],
            "Resource": f"{here}:instance/*",
            "Condition": own,
        },
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": worker_role,
            "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        },
    ]


def only_encrypted_transport(bucket: str) -> Statement:
    """Refuses plain HTTP to the bucket, to everyone."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


LIFECYCLE = {
    "Rules": [
        {
            "ID": "broken-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
    ]
}
