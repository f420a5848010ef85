"""The drain as an RQ job: its plan from the job, its end by SIGTERM."""

import asyncio
import os
import signal
import uuid

from django.conf import settings
from rq import get_current_job

from processing import dispatch
from processing.drain import DrainLoop, DrainPlan
from processing.models import Drain


def drain_run(*, careful: bool = False) -> str:
    """Run one drain in this process until it ends, as an RQ job does, and return how it ended (`Drain.End`)."""
    job = get_current_job()
    plan = DrainPlan(
        id=uuid.uuid4(),
        queue=job.origin if job else settings.DRAIN_QUEUES[0],
        job_id=job.id if job else "",
        worker=(job.worker_name or "") if job else "",
        is_careful=careful,
        slice_s=settings.DRAIN_SLICE_S,
        grace_s=settings.SHUTDOWN_GRACE_S,
        parent_pid=os.getppid() if job else None,
    )
    end = asyncio.run(_run_until_signalled(plan))
    dispatch.drains_dispatch()
    return end


async def _run_until_signalled(plan: DrainPlan) -> str:
    drain = DrainLoop(plan)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, drain.stop, Drain.End.STOPPED)
    return await drain.run()
