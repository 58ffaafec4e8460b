"""Find the transform of a job; only the module that it needs is imported."""

from server.exports.csv_rows import CsvTransform
from server.exports.order_hook import OrderHook
from server.exports.queue import Handlebars, Identity, Mustache, Report, SimpleJson
from server.exports.transforms.job import SECONDS_MAX, Job, Made


def transform(job: Job, *, seconds: float = SECONDS_MAX) -> Made:
    """Do a job in this process.

    Args:
        job: What is transformed, and how.
        seconds: How long an engine with a limit of its own may take.

    Raises:
        TransformError: It cannot be done, and would fail again.
    """
    match job.transform:
        case Identity():
            from server.exports.transforms import identity

            return identity.transform(job)
        case Mustache():
            from server.exports.transforms import mustache

            return mustache.transform(job)
        case Handlebars():
            from server.exports.transforms import handlebars

            return handlebars.transform(job, seconds=seconds)
        case CsvTransform():
            from server.exports.transforms import csv_table

            return csv_table.transform(job)
        case SimpleJson():
            from server.exports.transforms import simple_json

            return simple_json.transform(job)
        case Report():
            from server.exports.transforms import report

            return report.transform(job)
        case OrderHook():
            from server.exports.transforms import order_hook

            return order_hook.transform(job)
