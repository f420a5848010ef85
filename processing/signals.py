"""News of this app for those above it: they listen, nothing here imports them."""

from django.dispatch import Signal

# Sent once per end of a run, after commit; argument `run_id`.
run_finished = Signal()
