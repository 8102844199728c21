"""What can go wrong, as instructions to the caller. Owns the exception tree; imports nothing of ours.

TocsinError              one line for a person: the cause, the mend. The command prints it and exits 1
  UsageError             asked for wrongly (a file, an option, a setting); exits 2
  Unavailable            a database, broker or source does not answer now; wait and ask again
  BadDeploy              too many messages in a row are refused: stop, a person must look
  ModelUnavailable       the model's artefacts are missing or damaged here; take no messages
    UnknownModel         nothing here has that name; exits 2
"""

from __future__ import annotations


class TocsinError(Exception):
    """Something a user can cause or mend; its text is one line: the cause, then the mend."""

    exit_code = 1


class UsageError(TocsinError):
    """The command, a file or a setting was wrong; nothing was done."""

    exit_code = 2


class Unavailable(TocsinError):
    """Something outside does not answer right now; retrying may help."""


class BadDeploy(TocsinError):
    """Most recent messages were refused: this is no bad message but a bad deploy, so the line stops."""


class ModelUnavailable(TocsinError):
    """The named model cannot be loaded here; whoever needs it takes no work."""


class UnknownModel(ModelUnavailable):
    """Neither a version here nor a folder of one goes by the name that was asked for."""

    exit_code = UsageError.exit_code
