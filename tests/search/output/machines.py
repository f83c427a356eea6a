"""Machines that share a sweep's directory in a bucket."""

from pare.search.output.bucket_sync import BucketSync


def machine(tmp_path, name):
    """The workspace of a machine; it holds the lock of its directory."""
    out = tmp_path / name
    out.mkdir(exist_ok=True)
    (out / ".lock.held").touch()
    return out


def mirrored(remote, out, fresh=False, said=None):
    return BucketSync(remote, out, fresh, (said if said is not None else []).append)
