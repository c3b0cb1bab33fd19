"""gs:// artifacts: objects and prefixes of Google Cloud Storage.

Keys of the Secret: `service-account.json`, the key file of a service account; `GCS_BASE_URL` of
another server than Google's, `ca.crt`. Without the first requests are anonymous: the operator's own
identity never reads for a Model.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from obstore.store import GCSStore

from tidegate.artifacts.connecting import client_options, opening, retries
from tidegate.artifacts.credentials import CREDENTIALS_INVALID, Credentials
from tidegate.artifacts.objects import ObjectFetcher, Store
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from obstore.store import GCSConfig, ObjectStore

ACCOUNT = "service-account.json"


def open_gs(bucket: str, credentials: Credentials) -> ObjectStore:
    """A bucket. :raises Terminal: CredentialsInvalid."""
    account = credentials.get(ACCOUNT)
    base = credentials.get("GCS_BASE_URL")
    config: GCSConfig = {"skip_signature": True}
    if account is not None:
        _check_account(account, credentials)
        config = {"service_account_key": account}
    if base is not None:
        config["base_url"] = base
    with opening(credentials):
        return GCSStore(
            bucket,
            config=config,
            client_options=client_options(base, credentials),
            retry_config=retries(),
        )


def _check_account(account: str, credentials: Credentials) -> None:
    """Other kinds of accounts than a service account's key may name files to be read and commands
    to be run by whoever resolves: they are refused.

    :raises Terminal: CredentialsInvalid.
    """
    try:
        said = json.loads(account)
        if not isinstance(said, dict) or said.get("type", "service_account") != "service_account":
            raise ValueError
    except ValueError:
        raise Terminal(
            CREDENTIALS_INVALID,
            f"{ACCOUNT} in the Secret {credentials.name!r} is no key file of a service account: "
            "make one (`gcloud iam service-accounts keys create`) and put it there",
        ) from None


GS = Store(open=open_gs, keeps_versions=False)
"""Every object has a generation, in buckets that keep no versions too: it tells nothing of whether
the object will be there."""


class GsFetcher(ObjectFetcher):
    """Fetches from gs:// locations."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(GS, credentials)
