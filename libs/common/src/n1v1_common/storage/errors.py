"""What can go wrong with the database."""

from __future__ import annotations

from n1v1.errors import N1v1Error
from n1v1_common.lifecycle.errors import CannotStart, Superseded


class StorageError(N1v1Error):
    """Root of the storage errors."""


class StorageUnavailable(StorageError):
    """PostgreSQL did not answer. Retry, or let the supervisor restart the service."""


class MigrationFailed(StorageError):
    """A migration could not be applied; the schema is as it was before it."""


class NotMigrated(StorageError, CannotStart):
    """The schema lacks migrations, and this user may not make them: the installation comes first."""


class SchemaTooNew(StorageError, CannotStart):
    """The database has migrations that this code does not know: it belongs to a newer version of n1v1."""


class SeenBefore(StorageError):
    """A message of this step has been handled already: nothing of the step was stored."""


class NotTheWriter(StorageError, Superseded):
    """Another process writes this journal now, or it is not the one we wrote: nothing of the step was stored."""
