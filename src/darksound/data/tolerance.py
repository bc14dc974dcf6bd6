"""How many recordings may be unusable before the work stops."""

from darksound.errors import InputError

__all__ = ["Tolerance"]

_TOLD = 3


class Tolerance:
    """Counts recordings that cannot be used."""

    def __init__(self, recordings: int, share: float) -> None:
        """Begin to count.

        Args:
            recordings: how many there are.
            share: of them that may be unusable.
        """
        self._recordings, self._share = recordings, share
        self._causes: list[str] = []

    def note(self, cause: str) -> str:
        """Count a recording, and give its cause back.

        Raises:
            InputError: there are too many.
        """
        self._causes.append(cause)
        bad = len(self._causes)
        if bad > self._share * self._recordings:
            told = "\n  ".join(self._causes[:_TOLD])
            raise InputError(
                f"{bad} of {self._recordings} recordings cannot be used, more than the "
                f"{100 * self._share:g} % that segmentation.max_bad allows:\n  {told}"
            )
        return cause
