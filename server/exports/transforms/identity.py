"""Export the dictionary of elements as it is."""

from server.exports.transforms.job import Job, Made, wrapped


def transform(job: Job) -> Made:
    """Return the elements by key (reference: Exportable Content); it needs no child process."""
    return Made(body=wrapped(job.elements), content_type="application/json", extension=".json")
