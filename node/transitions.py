"""What may become of a job, as a table.

A change that is not in it is refused: a worker that comes back late cannot overwrite what happened meanwhile.
"""

from collections.abc import Mapping
from enum import StrEnum

from node.tables import Job, JobState


class JobEvent(StrEnum):
    """What can happen to a job."""

    LEASE = "lease"
    RELEASE = "release"
    FINISH = "finish"
    REFUSE = "refuse"
    POSTPONE = "postpone"
    FAIL = "fail"
    RETRY = "retry"


# Beside these, node.database makes SUPERSEDED of QUEUED, LEASED and FAILED when a late instance comes.
TRANSITIONS: Mapping[tuple[JobState, JobEvent], JobState] = {
    (JobState.QUEUED, JobEvent.LEASE): JobState.LEASED,
    (JobState.LEASED, JobEvent.RELEASE): JobState.QUEUED,
    (JobState.LEASED, JobEvent.FINISH): JobState.DONE,
    (JobState.LEASED, JobEvent.REFUSE): JobState.REFUSED,
    (JobState.LEASED, JobEvent.POSTPONE): JobState.QUEUED,
    (JobState.LEASED, JobEvent.FAIL): JobState.FAILED,
    (JobState.FAILED, JobEvent.RETRY): JobState.QUEUED,
}


def change(job: Job, what: JobEvent) -> None:
    """Moves a job to its next state.

    Raises:
        ValueError: that does not happen to a job in this state.
    """
    try:
        job.state = TRANSITIONS[job.state, what]
    except KeyError:
        raise ValueError(f"Job {job.id} is {job.state}: it cannot {what}.") from None
