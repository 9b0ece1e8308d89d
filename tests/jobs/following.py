"""Submit jobs and wait for what becomes of them."""

import time

from tests.jobs.null_runner import GONE

SECONDS = 60


def arguments(source, name="pets"):
    """What an import job is told."""
    options = {"format": None, "candidates": None, "candidates_mode": None, "splits": []}
    return {"source": str(source), "name": name, "skip_bad": False, "options": options}


def submit(services, source, name="pets"):
    return services.jobs.submit("import", arguments(source, name))


def wait(services, job_id, is_reached):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        job = services.jobs.get(job_id)
        if is_reached(job):
            return job
        time.sleep(0.03)
    raise AssertionError(f"still {job.status} after {SECONDS} s: {job.message}; {job.error}")


def wait_for(is_reached):
    deadline = time.monotonic() + SECONDS
    while not is_reached():
        assert time.monotonic() < deadline, f"not reached after {SECONDS} s"
        time.sleep(0.03)


def ended(job):
    return job.status not in {"queued", "running", "stopping"}


def reading(job):
    assert not ended(job), job.error
    return job.status == "running" and job.message.startswith("Reading images")


def shorten(endless):
    """Make the endless import one of two images."""
    (endless / "metadata.csv").write_text("file_name,label\n0.png,a\n1.png,b\n")


def end_all(services):
    """Leave no process behind."""
    for job in reversed(services.project.jobs.active()):
        services.queue.stop(job.id)
        if services.project.jobs.get(job.id).status == "stopping":
            services.queue.stop(job.id)


def queued(queue, title="t", kind="import"):
    return queue.submit(kind, title, {"name": "ü"})


def status(project, job):
    return project.jobs.get(job.id).status


def move_away(project, job, place=GONE):
    """As if another process had claimed the job."""
    assert project.jobs.change(job.id, ("running", "stopping"), place=place)
