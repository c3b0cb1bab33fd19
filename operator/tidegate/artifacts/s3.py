"""s3:// artifacts: objects and prefixes of Amazon S3 and of servers that speak its API.

Keys of the Secret: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
`AWS_REGION`, `AWS_ENDPOINT_URL` (of another server than Amazon's), `ca.crt`. Without an access key
requests are not signed: the operator's own identity never reads for a Model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore.store import S3Store

from tidegate.artifacts.connecting import client_options, opening, retries
from tidegate.artifacts.objects import ObjectFetcher, Store

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Config

    from tidegate.artifacts.credentials import Credentials

_REGION = "us-east-1"


def open_s3(bucket: str, credentials: Credentials) -> ObjectStore:
    """A bucket. :raises Terminal: CredentialsInvalid."""
    config: S3Config = {"region": credentials.get("AWS_REGION") or _REGION}
    endpoint = credentials.get("AWS_ENDPOINT_URL")
    if endpoint is not None:
        config["endpoint"] = endpoint
    key = credentials.get("AWS_ACCESS_KEY_ID")
    if key is None:
        config["skip_signature"] = True
    else:
        config["access_key_id"] = key
        config["secret_access_key"] = credentials.need(
            "AWS_SECRET_ACCESS_KEY", why="which goes with AWS_ACCESS_KEY_ID"
        )
        if token := credentials.get("AWS_SESSION_TOKEN"):
            config["session_token"] = token
    with opening(credentials):
        return S3Store(
            bucket,
            config=config,
            client_options=client_options(endpoint, credentials),
            retry_config=retries(),
        )


S3 = Store(open=open_s3, keeps_versions=True)
"""A version is told where the bucket's versioning is on, and stays."""


class S3Fetcher(ObjectFetcher):
    """Fetches from s3:// locations."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(S3, credentials)
