"""Annotators of the same item do not see each other's answers before they have given their own."""

from cad_studio.core.errors import NotAllowedError
from cad_studio.core.records import Dataset
from cad_studio.services.access import NOBODY, Access
from cad_studio.store.projects import Project


class Blindness:
    """What is hidden in one project, and from whom.

    Where a queue shows its items to several annotators, each of them sees a sample as it was
    imported, with nothing that others did to it, until their own answer is given or the sample
    has all the answers it needs. Agreement then measures people, not what they read of each other.
    """

    def __init__(self, project: Project, access: Access) -> None:
        """Read through `project`; `access` says who looks."""
        self._project = project
        self._access = access

    def person(self, given: str) -> str:
        """Who looks: the name a login has checked, else the one the window gives."""
        if self._access.asks_for_login:
            return self._access.checked_name() or NOBODY
        return given.strip()

    def rows(self, record: Dataset, who: str, rows: list[int] | None = None) -> frozenset[int]:
        """The samples of a dataset that someone who annotates must see as imported.

        Args:
            record: The dataset.
            who: From `person`. An owner who annotates is an annotator too.
            rows: Only these; None for all.
        """
        return self._project.annotation_queues.blind_rows(record.id, who, rows)

    def rows_for_reader(self, record: Dataset, rows: list[int] | None = None) -> frozenset[int]:
        """The same for pages that are only read: there, owners see everything."""
        if self._access.role() == "owner":
            return frozenset()
        return self.rows(record, self.person(NOBODY), rows)

    def require_nothing_hidden(self, record: Dataset, what: str) -> None:
        """Refuse what cannot be shown without the answers that are hidden from this person.

        Raises:
            NotAllowedError: Something is hidden; `what` begins the sentence.
        """
        if self.rows_for_reader(record):
            raise NotAllowedError(
                f"{what} shows what other annotators answered about samples of {record.name} that "
                "wait for your own answer. It opens when they are answered; an owner sees it now."
            )
