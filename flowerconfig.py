"""Flower's settings, which it reads from this file by itself. Its address and port are given where it is started."""

from tornado.options import options

from config.settings import get_settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")

if get_settings().flower_basic_auth:
    basic_auth = [get_settings().flower_basic_auth]
elif not options.basic_auth and options.address not in LOOPBACK:
    raise SystemExit(
        "Flower shows names and verdicts and can stop workers: set FAIRBOARD_FLOWER_BASIC_AUTH, or start it "
        "with --address=127.0.0.1."
    )
tasks_columns = "name,uuid,state,args,kwargs,result,received,runtime,worker"
max_tasks = 20_000
natural_time = False
