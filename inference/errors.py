"""The exceptions a caller of inference has to know."""


class Refused(Exception):
    """This input cannot be measured safely; the reason is for the person who reads it.

    A refusal is a decision, not a fault: the same input would be refused again, so nobody retries it. The
    reason never carries patient data.

    Attributes:
        code: short and stable, e.g. ``gantry_tilt``, ``missing_slices``, ``femoral_neck_not_found``.
        reason: what was found and, where there is something, what to do.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{reason} [{code}]")
        self.code = code
        self.reason = reason

    def __reduce__(self) -> tuple[type["Refused"], tuple[str, str]]:
        """Pickles by its two arguments: refusals cross from the worker process to the node."""
        return type(self), (self.code, self.reason)


class BundleError(Exception):
    """A model on disk cannot be used: it is damaged, incomplete, or made for something else.

    The message names the file and says what to do; it never carries patient data.
    """
