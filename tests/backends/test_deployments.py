"""What the Deployments of a backend's controller say of the pods of a revision."""

from __future__ import annotations

from tests.backends.deployed import deployment
from tests.backends.rendered import OLD

from tidegate.backends.deployments import by_revision, pods_of
from tidegate.domain.pods import PodFailure

FAILURE = PodFailure("ModelLoadFailed", "no such file", final=False)


def test_a_deployment_is_found_by_the_revision_of_its_pods() -> None:
    """The Deployment's own label may be of the revision before, while its template is changed."""
    mine = deployment(OLD, 1)
    other = {**deployment("x", 1), "spec": {"template": {"metadata": {}}}}
    assert by_revision([mine, other]) == {OLD: mine}


def test_pods_count_up_to_the_size_that_was_asked_for() -> None:
    found = pods_of(deployment(OLD, 5), [], size=4, failure=None)
    assert (found.exists, found.desired, found.ready, found.complete) == (True, 4, 4, True)


def test_an_entry_that_is_not_in_the_object_has_no_pods() -> None:
    assert not pods_of(deployment(OLD, 2), [], size=None, failure=None).exists
    missing = pods_of(None, [], size=2, failure=None)
    assert (missing.exists, missing.desired, missing.ready) == (False, 2, 0)


def test_a_crash_says_more_than_the_backend_and_the_backend_more_than_a_deadline() -> None:
    stuck = deployment(
        OLD, 1, available=0,
        conditions=[{"type": "Progressing", "status": "False",
                     "reason": "ProgressDeadlineExceeded", "message": "timed out"}],
    )  # fmt: skip
    crashed = {"terminated": {"exitCode": 1, "message": "out of memory"}}
    pod = {
        "metadata": {"name": "p"},
        "status": {"containerStatuses": [{"name": "c", "restartCount": 4, "lastState": crashed}]},
    }
    told = [
        pods_of(stuck, [pod], size=1, failure=FAILURE).failure,
        pods_of(stuck, [], size=1, failure=FAILURE).failure,
        pods_of(stuck, [], size=1, failure=None).failure,
    ]
    assert [failure.reason for failure in told if failure] == [
        "CrashLoop", "ModelLoadFailed", "ProgressDeadlineExceeded",
    ]  # fmt: skip
    assert told[2] is not None
    assert told[2].final
