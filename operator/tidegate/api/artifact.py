"""The part of a Model that says where its artifact is, and what it must be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import ApiModel, Duration, Sha256, parse_duration, rules
from tidegate.api.write_back import WriteBack

Format = Literal[
    "sklearn-skops", "sklearn-joblib", "onnx", "xgboost", "lightgbm", "mlflow", "custom"
]


SCHEMES = ("file", "pvc", "http", "https", "s3", "gs", "azure", "az", "oci", "hf", "dvc", "wandb")
"""Where an artifact may be; each has a source in `tidegate.artifacts`."""
KNOWN_SCHEME = (
    f"self.uri.matches('^(({'|'.join(SCHEMES)})://|models:/)')",
    f"uri must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}, models:/",
)
"""The rule of whatever has a `uri` of an artifact, and what to say where it is broken."""


MODELS_RULE = (
    (
        "!self.uri.startsWith('models:/')"
        " || self.uri.matches('^models:/[^/@]+(@[^/@]+|/[0-9]{1,9})$')"
    ),
    (
        "write models:/name@alias, which follows the alias, or models:/name/version; the name of a"
        " registered model has no / or @"
    ),
)
"""A CEL rule of whatever has a `uri`, and what is wrong."""
DVC_RULE = (
    (
        "!self.uri.startsWith('dvc://')"
        " || self.uri.matches('^dvc://[^/@?#]+(/[^/@?#]+)+//[^?#]*[^/?#]/?([?]rev=[^&#]+)?$')"
    ),
    (
        "write dvc://host/owner/repository//path/of/output?rev=branch, tag or commit; the path of a"
        " folder ends with /"
    ),
)
"""The same."""
WANDB_RULE = (
    (
        "!self.uri.startsWith('wandb://')"
        " || self.uri.matches('^wandb://[^/:@?#]+/[^/:@?#]+/[^/:@?#]+:[^/:@?#]+(/([^/?#][^?#]*)?)?$')"
    ),
    (
        "write wandb://entity/project/name:alias, which follows the alias, or :v3 for a version,"
        " and /path behind it for one file of the artifact"
    ),
)
"""The same."""


class CredentialsRef(ApiModel):
    """The Secret with what the artifact's source wants to know."""

    name: str = Field(
        min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="Name of a Secret in the Model's namespace.",
    )  # fmt: skip


_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
_PublicKey = Annotated[
    str,
    StringConstraints(min_length=64, max_length=4096, pattern=r"^-----BEGIN PUBLIC KEY-----\n"),
]
_Certificate = Annotated[
    str,
    StringConstraints(min_length=64, max_length=8192, pattern=r"^-----BEGIN CERTIFICATE-----\n"),
]


class SignedBy(ApiModel):
    """Who must have signed the artifact: any one of them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "(has(self.publicKeys) && size(self.publicKeys) > 0)"
                    " || (has(self.certificateAuthorities)"
                    " && size(self.certificateAuthorities) > 0)"
                ),
                "signedBy names nobody: give publicKeys, certificateAuthorities or both",
            )
        )
    )

    public_keys: list[_PublicKey] = Field(
        default_factory=list, max_length=5,
        description="Public keys in PEM, on the curve P-256, P-384 or P-521, of signatures made by"
        " `model_signing sign key`.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    certificate_authorities: list[_Certificate] = Field(
        default_factory=list, max_length=5,
        description="Certificates, in PEM, of authorities that vouch for the certificate of whoever"
        " signs by `model_signing sign certificate`. Every certificate of theirs that is for"
        " signing (codeSigning) counts, so name authorities that are for models alone.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip


class Artifact(ApiModel):
    """Where the model's file is, and what it must be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            KNOWN_SCHEME,
            MODELS_RULE,
            DVC_RULE,
            WANDB_RULE,
            (
                "!has(self.writeBack) || self.uri.startsWith('models:/')",
                "writeBack tells a registry: it needs a uri that begins with models:/",
            ),
            (
                (
                    "!has(self.writeBack) || !has(self.writeBack.onPromoted)"
                    " || !self.uri.endsWith('@' + self.writeBack.onPromoted.alias)"
                ),
                (
                    "writeBack.onPromoted.alias must be another alias than the one that uri"
                    " follows: a version that is promoted must not be told to the alias that asks"
                    " for the next one"
                ),
            ),
            (
                "!self.uri.matches('^(azure|az)://') || has(self.credentialsRef)",
                (
                    "an azure:// artifact needs credentialsRef: a Secret that names at least the"
                    " storage account, AZURE_STORAGE_ACCOUNT_NAME"
                ),
            ),
            (
                "!self.uri.startsWith('pvc://') || has(self.sha256)",
                (
                    "a pvc:// artifact needs sha256: the operator does not mount the claim, so it"
                    " cannot hash what is there"
                ),
            ),
            (
                "!self.allowPickle || self.format == 'mlflow'",
                "allowPickle is for format: mlflow; sklearn-joblib names a pickle by itself",
            ),
        )
    )

    uri: Annotated[str, StringConstraints(min_length=8, max_length=2048)] = Field(
        description="Where the artifact is: models:/name@alias or models:/name/version of an MLflow"
        " registry (TIDEGATE_MLFLOW_URL of the operator), file:///path (only below the folder that"
        " the operator's TIDEGATE_FILE_ROOT names), pvc://claim/path, http://… or https://…,"
        " s3://bucket/key, gs://bucket/key, azure://container/path (or az://),"
        " oci://registry/repository:tag, hf://org/name@revision/path,"
        " dvc://host/repository//path?rev=revision, wandb://entity/project/name:alias of Weights &"
        " Biases. A URI (its path) that ends with / names a folder. What stands behind it is"
        " hashed; a change of content makes a new revision."
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the artifact, 64 lower-case hex digits. When given, anything else"
        " that is found behind the URI is refused (condition Verified, reason DigestMismatch).",
    )
    format: Format = Field(
        description="How the artifact is stored. sklearn-skops loads without running code of the"
        " artifact; sklearn-joblib can run any code when it is loaded, so it is never guessed, only"
        " used when named here; onnx is run by ONNX Runtime; xgboost is a model file in JSON or"
        " UBJSON, lightgbm one in text: both hold trees and no code; mlflow is an MLflow model's"
        " folder, of the flavors sklearn, xgboost, lightgbm or onnx; custom is whatever the image"
        " of runtime.custom reads."
    )
    allow_pickle: bool = Field(
        default=False,
        description="Lets the model in an MLflow folder be a pickle, which can run any code when it"
        " is loaded: only for models that you made. Refused otherwise (FormatUnsafe), before a"
        " revision is made of it. Formats say it by their name, sklearn-joblib for one, and need no"
        " such leave.",
    )
    poll_interval: Duration = Field(
        default=parse_duration("1m"),
        description="How often the URI is asked whether its content changed. An unchanged one costs"
        " a conditional request. Not asked at all when sha256 is given.",
    )
    credentials_ref: CredentialsRef | None = Field(
        default=None,
        description="The Secret with the credentials for the URI, and with the endpoint of a store"
        " that is not the usual one; docs/artifacts.md lists the keys of each scheme (http, https:"
        " token, or username and password; s3: AWS_ACCESS_KEY_ID, …). Where the URI names the"
        " server, the Secret's annotation tidegate.dev/hosts must list it. Read when it is needed,"
        " mounted into the pod's init container alone, and no part of the revision's identity.",
    )
    signed_by: SignedBy | None = Field(
        default=None,
        description="The artifact must be signed by OpenSSF model signing by one of these. A single"
        " file: in a file beside it with .sig behind its name, or in model.sig of its folder. A"
        " folder, every file of it: in model.sig in it, or beside it with .sig behind its name."
        " Checked before a revision is made of it, or (pvc://) by the init container before a"
        " server can start; anything else is refused.",
    )
    write_back: WriteBack | None = Field(
        default=None,
        description="What the registry is told of the delivery: an alias for what serves, a tag for"
        " what was taken back. Only for models:/. Told at least once, again after a crash, and"
        " never in the way of traffic (condition WrittenBack).",
    )
