"""What a person may log in with: taken from the environment, and kept out of settings and logs."""

import base64
from collections.abc import Mapping

__all__ = ["Credentials", "Secret", "credentials_from"]


class Secret:
    """The value of an `Authorization` header; what is printed or logged of it is a row of stars."""

    def __init__(self, header: str) -> None:
        self._header = header

    def reveal(self) -> str:
        """The value itself, for the request that it is meant for."""
        return self._header

    def __repr__(self) -> str:
        return "Secret(********)"

    def __reduce__(self) -> str:
        raise TypeError("A secret is not written to disk or sent to other processes.")


#: Secrets by the kind of mirror that they are for.
Credentials = Mapping[str, Secret]


def credentials_from(environment: Mapping[str, str]) -> Credentials:
    """The credentials that the environment holds.

    Kaggle: `KAGGLE_API_TOKEN`, or else `KAGGLE_USERNAME` and `KAGGLE_KEY`.
    """
    token = environment.get("KAGGLE_API_TOKEN", "").strip()
    user, key = environment.get("KAGGLE_USERNAME", ""), environment.get("KAGGLE_KEY", "")
    if token:
        return {"kaggle": Secret(f"Bearer {token}")}
    if user and key:
        pair = base64.b64encode(f"{user}:{key}".encode()).decode()
        return {"kaggle": Secret(f"Basic {pair}")}
    return {}
