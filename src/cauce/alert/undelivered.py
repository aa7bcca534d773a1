"""Why a message did not arrive. Its text is for logs and people: it never holds an address, a password or an answer."""

from __future__ import annotations

from cauce.core.errors import CauceError


class Undelivered(CauceError):
    """A channel did not take a message.

    Parameters
    ----------
    why
        A clause without secrets: ``"answers 404"``.
    lasting
        Whether the same message would fare the same way a moment later.
    retry_after_s
        Seconds that the channel asked to be left alone for.
    in_part
        Whether some have it: sending it again would give it to them twice.
    """

    def __init__(self, why: str, *, lasting: bool = False, retry_after_s: float = 0.0, in_part: bool = False) -> None:
        self.why, self.lasting, self.retry_after_s, self.in_part = why, lasting, retry_after_s, in_part
        super().__init__(why)
