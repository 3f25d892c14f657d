"""Celery's settings. Plain data; docs/adr/0003-doorbell.md gives the reasons and what was tried."""

from celery.schedules import crontab

from config.settings import get_settings

_settings = get_settings()

broker_url = _settings.celery_url
result_backend = _settings.celery_url
result_expires = 600
task_ignore_result = True  # Flower hears of results through events; a task that wants more says so.
accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"
timezone = "UTC"

task_default_queue = "maintenance"
task_create_missing_queues = True
task_routes = {
    "leaderboard.*": {"queue": "leaderboard"},
    "anticheat.*": {"queue": "anticheat"},
    "maintenance.*": {"queue": "maintenance"},
}

# Every task may run twice: what it does is found in PostgreSQL. So it is acknowledged when it is done.
task_acks_late = True
task_reject_on_worker_lost = True
task_time_limit = 120
task_soft_time_limit = 110
worker_prefetch_multiplier = 1
# KiB. What counts is the most that a process ever held: one that reached it ends after its task.
worker_max_memory_per_child = 400_000
worker_soft_shutdown_timeout = 3.0
worker_cancel_long_running_tasks_on_connection_loss = True

# Flower sees tasks with their names, arguments and results through events.
worker_send_task_events = True
task_send_sent_event = True

broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_connection_timeout = 1.0
broker_transport_options = {
    # Longer than any task, with the few seconds that one may wait for its time before it: what is restored while its
    # first run is still at work would be run again, ahead of all others.
    "visibility_timeout": 150,
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 5,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,  # Look for lost messages at each interval; by default, at each tenth.
    "max_retries": 1,
    "interval_start": 0,
    "interval_max": 0.2,
}

worker_hijack_root_logger = False
worker_redirect_stdouts = False

beat_max_loop_interval = 1
beat_scheduler = "workers.beat:SteadyScheduler"
# `expires` is a time by the clock of beat's machine and judged by that of the worker's: longer than those may differ.
beat_schedule = {
    "drain the outbox and mend the board": {
        "task": "maintenance.reconcile",
        # A placement that was lost is back within two seconds: this, and the time that the work itself takes.
        "schedule": 1.5,
        "options": {"expires": 120, "ignore_result": True},
    },
    "look for accounts of one hand": {
        "task": "anticheat.analyse_groups",
        "schedule": crontab(minute=7),
        "options": {"expires": 3_000},
    },
    "take in every window that is over": {
        "task": "anticheat.analyse_all",
        "schedule": crontab(hour=3, minute=23),
        "options": {"expires": 36_000},
    },
    "purge what has expired": {
        "task": "maintenance.purge_tokens",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
}
