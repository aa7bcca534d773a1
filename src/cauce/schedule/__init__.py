"""When the watcher looks, and what starts it: its own clock, a systemd unit, a cron line, a CronJob."""

from cauce.schedule.clock import next_turn
from cauce.schedule.cron import cron_line, expression
from cauce.schedule.kubernetes import manifest
from cauce.schedule.notify import notify
from cauce.schedule.plan import Plan
from cauce.schedule.systemd import unit

__all__ = ["Plan", "cron_line", "expression", "manifest", "next_turn", "notify", "unit"]
