"""How an MLflow server knows who asks: the keys of a Secret are those of http(s), or MLflow's own.

Needs nothing but the standard library, because pods fetch with it too.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.artifacts.credentials import Credentials

URL_KEY = "MLFLOW_TRACKING_URI"
USER_KEY = "MLFLOW_TRACKING_USERNAME"
PASSWORD_KEY = "MLFLOW_TRACKING_PASSWORD"
TOKEN_KEY = "MLFLOW_TRACKING_TOKEN"


def authorization(credentials: Credentials) -> dict[str, str]:
    """The header that credentials make; none where there are none.

    :raises Terminal: CredentialsInvalid: a user without a password.
    """
    if (token := credentials.first(TOKEN_KEY, "token")) is not None:
        return {"authorization": f"Bearer {token}"}
    if (user := credentials.first(USER_KEY, "username")) is not None:
        password = credentials.first(PASSWORD_KEY, "password") or credentials.need(
            PASSWORD_KEY, why=f"which belongs to {USER_KEY}"
        )
        return {
            "authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        }
    return {}
