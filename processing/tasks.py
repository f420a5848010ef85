"""What RQ runs: each job fetches by id and calls one function. Names here are in Redis while jobs wait."""

from processing.drain_job import drain_run


def drain_job(*, careful: bool = False) -> None:
    """Ask what is open until nothing is left or the slice is over."""
    drain_run(careful=careful)
