"""azure:// (az://) artifacts: blobs and prefixes of Azure Blob Storage, `azure://container/path`.

Keys of the Secret: `AZURE_STORAGE_ACCOUNT_NAME`, and one of `AZURE_STORAGE_ACCOUNT_KEY`,
`AZURE_STORAGE_SAS_TOKEN`, or `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`;
`AZURE_STORAGE_ENDPOINT` of another server, `ca.crt`. With the name alone requests are anonymous:
the operator's own identity never reads for a Model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore.store import AzureStore

from tidegate.artifacts.connecting import client_options, opening, retries
from tidegate.artifacts.credentials import CREDENTIALS_INVALID, Credentials
from tidegate.artifacts.objects import ObjectFetcher, Store
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ObjectStore

_NAME = "AZURE_STORAGE_ACCOUNT_NAME"


def open_azure(container: str, credentials: Credentials) -> ObjectStore:
    """A container. :raises Terminal: CredentialsInvalid."""
    if not credentials:
        raise Terminal(
            CREDENTIALS_INVALID,
            f"azure:// needs the name of the storage account: name a Secret with {_NAME} in "
            "spec.artifact.credentialsRef",
        )
    config: AzureConfig = {"account_name": credentials.need(_NAME, why="the storage account")}
    endpoint = credentials.get("AZURE_STORAGE_ENDPOINT")
    if endpoint is not None:
        config["endpoint"] = endpoint
    if key := credentials.get("AZURE_STORAGE_ACCOUNT_KEY"):
        config["account_key"] = key
    elif token := credentials.get("AZURE_STORAGE_SAS_TOKEN"):
        config["sas_key"] = token
    elif client := credentials.get("AZURE_CLIENT_ID"):
        config["client_id"] = client
        config["client_secret"] = credentials.need(
            "AZURE_CLIENT_SECRET", why="which goes with AZURE_CLIENT_ID"
        )
        config["tenant_id"] = credentials.need(
            "AZURE_TENANT_ID", why="which goes with AZURE_CLIENT_ID"
        )
    else:
        config["skip_signature"] = True
    with opening(credentials):
        return AzureStore(
            container,
            config=config,
            client_options=client_options(endpoint, credentials),
            retry_config=retries(),
        )


AZURE = Store(open=open_azure, keeps_versions=True)
"""A version is told where the account's versioning is on, and stays."""


class AzureFetcher(ObjectFetcher):
    """Fetches from azure:// and az:// locations."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(AZURE, credentials)
