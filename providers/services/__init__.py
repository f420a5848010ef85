"""What changes providers, models and keys: one function per step, each in one transaction."""

from providers.catalogue import catalogue_load
from providers.discovery import model_discover
from providers.pools import pool_limits_copy
from providers.services.environment_keys import keys_sync_environment
from providers.services.key_recovery import keys_probe, keys_recover, keys_to_probe
from providers.services.key_states import (
    key_note,
    key_transition,
    key_unreadable_note,
    pool_rest_end,
)
from providers.services.key_tests import KeyTestResult, key_test
from providers.services.keys import key_create, key_disable, key_enable, key_secret_check, key_secret_replace
from providers.services.lanes import (
    lane_activate,
    lane_pause,
    lanes_recover,
    model_note,
    model_refuses,
    refusals_forget,
)
from providers.services.learned_limits import limits_learn
from providers.services.pauses import pair_refused, pair_worked, pauses_end

__all__ = [
    "KeyTestResult",
    "catalogue_load",
    "key_create",
    "key_disable",
    "key_enable",
    "key_note",
    "key_secret_check",
    "key_secret_replace",
    "key_test",
    "key_transition",
    "key_unreadable_note",
    "keys_probe",
    "keys_recover",
    "keys_sync_environment",
    "keys_to_probe",
    "lane_activate",
    "lane_pause",
    "lanes_recover",
    "limits_learn",
    "model_discover",
    "model_note",
    "model_refuses",
    "pair_refused",
    "pair_worked",
    "pauses_end",
    "pool_limits_copy",
    "pool_rest_end",
    "refusals_forget",
]
